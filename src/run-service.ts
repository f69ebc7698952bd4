import { setTimeout as sleep } from 'node:timers/promises'
import closeWithGrace from 'close-with-grace'
import { buildApp } from './app.ts'
import { type Config, loadConfigOrExit } from './config/config.ts'
import { listenFailure } from './http/listen-failure.ts'
import { type TracingSettings, tracingSettings } from './telemetry/tracing-settings.ts'

/** The service of this process. */
interface Service {
  app: Awaited<ReturnType<typeof buildApp>>
  /** Exports the last spans. */
  stopTracing: () => Promise<void>
}

/**
 * Runs the service in this process until a signal ends it.
 * @param onSignalsHandled called as soon as a signal drains the service
 */
export async function runService(
  environment: Readonly<Record<string, string | undefined>>,
  onSignalsHandled: () => void,
): Promise<void> {
  const config = loadConfigOrExit(environment)
  const tracing = tracingSettings(environment)
  const stopTracing = await startTracing(tracing, (err) =>
    app.log.warn({ err }, 'span export failed, further failures are not logged'),
  )
  const app = await buildApp(config)
  drainOnSignal({ app, stopTracing }, config.shutdown)
  onSignalsHandled()

  const { isOn, issue } = tracing
  if (issue !== undefined) app.log.warn({ isOn, reason: issue }, 'tracing is misconfigured')
  if (!config.auth.jwt) {
    app.log.warn('AUTH_MODE=none: every job that the CDF identity can read is public on this port')
  }
  const { insecureHttpHosts } = config.outbound
  if (insecureHttpHosts.length > 0) {
    app.log.warn(
      { hosts: insecureHttpHosts },
      'INSECURE_HTTP_HOSTS: tokens and secrets are sent to these hosts without encryption',
    )
  }
  await listen({ app, stopTracing }, config.listen)
}

/** Drains the service after a signal or an uncaught error, and ends the process: with 0 after a signal, else with 1. */
function drainOnSignal({ app, stopTracing }: Service, { graceMs, delayMs }: Config['shutdown']) {
  let exitCode = 0
  closeWithGrace(
    {
      delay: delayMs + graceMs,
      logger: false,
      onTimeout: () => {
        app.log.warn('grace period over, open connections closed')
        process.exit(exitCode)
      },
    },
    async ({ signal, err }) => {
      app.lifeCycle.drain()
      if (err) {
        exitCode = 1
        app.log.fatal({ err }, 'uncaught error')
      } else {
        app.log.info({ signal }, 'shutting down')
      }
      // No load balancer knows a process that does not listen.
      if (app.server.listening) await sleep(delayMs)
      await app.close()
      await stopTracing()
    },
  )
}

/** Listens, or ends the process with 1 if that is not possible. */
async function listen({ app, stopTracing }: Service, { host, port }: Config['listen']) {
  try {
    await app.listen({ host, port })
  } catch (error) {
    // A signal came first.
    if (app.lifeCycle.draining) return
    const reason = listenFailure(error, 'PORT')
    if (reason === undefined) throw error
    app.log.fatal({ host, port, reason }, 'cannot listen')
    await app.close()
    await stopTracing()
    process.exit(1)
  }
}

/** Loads OpenTelemetry only if it is on. */
async function startTracing(
  { isOn }: TracingSettings,
  onFailure: (error: unknown) => void,
): Promise<() => Promise<void>> {
  if (!isOn) return async () => {}
  const tracing = await import('../plugins/tracing.ts')
  return tracing.startTracing(onFailure)
}
