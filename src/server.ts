import { setTimeout as sleep } from 'node:timers/promises'
import closeWithGrace from 'close-with-grace'
import { buildApp } from './app.ts'
import type { Config } from './config/config.ts'
import { loadConfig } from './config/config.ts'
import { ConfigError } from './config/load-environment.ts'

/** `EX_CONFIG` of sysexits.h. */
const EXIT_CONFIG = 78

const config = loadConfigOrExit()
const stopTracing = await startTracing((err) =>
  app.log.warn({ err }, 'span export failed, further failures are not logged'),
)
const app = await buildApp(config)
const { graceMs, delayMs } = config.shutdown
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
await app.listen({ ...config.listen })

function loadConfigOrExit(): Config {
  try {
    return loadConfig(process.env)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const issues = error.issues.map((issue) => `- ${issue}\n`)
    process.stderr.write(`${error.message}\n${issues.join('')}`)
    process.exit(EXIT_CONFIG)
  }
}

/** Loads OpenTelemetry only if a collector is configured. */
async function startTracing(onFailure: (error: unknown) => void): Promise<() => Promise<void>> {
  const { env } = process
  const isOn =
    (env.OTEL_EXPORTER_OTLP_ENDPOINT || env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) &&
    env.OTEL_SDK_DISABLED !== 'true' &&
    env.OTEL_TRACES_EXPORTER !== 'none'
  if (!isOn) return async () => {}
  const tracing = await import('../plugins/tracing.ts')
  return tracing.startTracing(onFailure)
}
