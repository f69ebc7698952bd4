import { setTimeout as sleep } from 'node:timers/promises'
import closeWithGrace from 'close-with-grace'
import { buildApp } from './app.ts'
import type { Config } from './config.ts'
import { loadConfig } from './config.ts'
import { ConfigError } from './load-environment.ts'

/** `EX_CONFIG` of sysexits.h. */
const EXIT_CONFIG = 78

/** The service as a process: environment → config → app → listen → signals. */
export async function run(environment: NodeJS.ProcessEnv): Promise<void> {
  let config: Config
  try {
    config = loadConfig(environment)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(
      `${error.message}\n${error.mistakes.map((mistake) => `- ${mistake}\n`).join('')}`,
    )
    process.exitCode = EXIT_CONFIG
    return
  }

  const stopTracing = await startTracing(environment, (error) =>
    app.log.warn({ err: error }, 'spans cannot be sent; this is said once'),
  )
  const app = await buildApp(config)
  const { graceMs, delayMs } = config.shutdown
  let exitCode = 0
  closeWithGrace(
    {
      delay: delayMs + graceMs,
      logger: false,
      onTimeout: () => {
        app.log.warn('connections cut off at the end of the grace period')
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
      // Nobody has to be sent away from a process that never listened.
      if (app.server.listening) await sleep(delayMs)
      await app.close()
      await stopTracing()
    },
  )

  if (!config.door.jwt) {
    app.log.warn(
      'AUTH_MODE=none: everybody who reaches this port can read every job that the CDF identity can',
    )
  }
  await app.listen({ ...config.listen })
}

/** Without a collector nothing of OpenTelemetry is loaded; its API is, by prom-client, with the first scrape. */
async function startTracing(
  variables: NodeJS.ProcessEnv,
  onFailure: (error: unknown) => void,
): Promise<() => Promise<void>> {
  const { OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT } = variables
  const isOn =
    (OTEL_EXPORTER_OTLP_ENDPOINT || OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) &&
    variables.OTEL_SDK_DISABLED !== 'true' &&
    variables.OTEL_TRACES_EXPORTER !== 'none'
  if (!isOn) return async () => {}
  const tracing = await import('../plugins/tracing.ts')
  return tracing.startTracing(onFailure)
}
