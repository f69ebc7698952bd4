import type { Page } from 'playwright-core'
import type { Test } from 'tap'
import { addDemoPage } from '../../simulator/demo/page-server.ts'
import { startService } from './start-service.ts'
import { until } from './wait.ts'

/** Starts a service and the demo page, whose jobs change only when `advance` is called. */
export async function startDemoPage(t: Test) {
  const environment: Record<string, string> = { AUTH_MODE: 'jwt' }
  let nowMs = Date.now()
  const now = () => nowMs
  const service = await startService(t, {
    environment,
    simulator: { now },
    prepare: ({ url }) => {
      environment.CORS_ORIGINS = url
    },
  })
  const { app, simulator, url } = service
  await until(() => app.lifeCycle.readinessBlockers.size === 0)
  addDemoPage(simulator, { serviceUrl: url, now })
  const advance = (seconds: number) => {
    nowMs += 1000 * seconds
  }
  return { ...service, pageUrl: `${simulator.url}/demo`, advance }
}

/** Waits until the demo page shows this state of its stream. */
export const waitForConnection = (page: Page, text: string | RegExp) =>
  page.getByRole('status').filter({ hasText: text }).waitFor()
