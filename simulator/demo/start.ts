import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import closeWithGrace from 'close-with-grace'
import { ConfigError } from '../../src/config/load-environment.ts'
import { callerToken } from '../upstream/caller-token.ts'
import { startSimulator } from '../upstream/start-simulator.ts'
import { DEMO_JOBS, UNKNOWN_JOB_ID } from './jobs.ts'
import { addDemoPage } from './page-server.ts'
import { type DemoService, startReplicas } from './replicas.ts'

/** A working day, so that a copied command keeps working. */
const TOKEN_LIFETIME_SECONDS = 8 * 3600

/** The ports, by the environment variables that change them. */
const PORTS = {
  PORT: process.env.PORT || '3000',
  SIMULATOR_PORT: process.env.SIMULATOR_PORT || '3001',
  METRICS_PORT: process.env.METRICS_PORT || '9464',
}

/**
 * `npm run demo`: the service, a simulated CDF and an identity provider, without any configuration. With `--replicas 3`,
 * three replicas of the service and a Redis.
 */
async function demo(count: number): Promise<void> {
  const { PORT, SIMULATOR_PORT, METRICS_PORT } = PORTS
  const { LOG_LEVEL = '', CORS_ORIGINS = '' } = process.env
  const simulator = await startSimulator({
    port: Number(SIMULATOR_PORT),
    tokenLifetimeSeconds: TOKEN_LIFETIME_SECONDS,
  })
  for (const { job } of DEMO_JOBS) simulator.cdf.addJob(job)

  const service = await startReplicas({
    count,
    environment: {
      ...simulator.environment,
      LOG_LEVEL,
      CORS_ORIGINS: withDemoPage(CORS_ORIGINS, simulator.url),
    },
    port: Number(PORT),
    metricsPort: Number(METRICS_PORT),
  })
  addDemoPage(simulator, { serviceUrl: service.url, replicas: service.replicas })
  closeWithGrace({ delay: 5_000, logger: false }, async () => {
    await service.close()
    await simulator.close()
  })
  while (!service.isReady()) await sleep(10)
  const token = await callerToken(simulator)
  process.stdout.write(welcome(service, simulator.url, token))
}

/** The origins of front ends, and those of the demo page. */
function withDemoPage(origins: string, pageUrl: string): string {
  if (origins.trim() === '*') return '*'
  const own = [pageUrl, pageUrl.replace('127.0.0.1', 'localhost')]
  return [...own, origins].filter(Boolean).join()
}

function welcome(
  { url, metricsUrls, count }: DemoService,
  simulatorUrl: string,
  token: string,
): string {
  const curl = (jobId: string) =>
    `    curl -i -H "Authorization: Bearer $TOKEN" ${url}/jobs/${jobId}/quality\n`
  return [
    `\nSwagger UI        ${url}/docs   (Authorize → Log in as developer)\n`,
    `Demo page         ${simulatorUrl}/demo\n`,
    `OpenAPI document  ${url}/openapi.yaml\n`,
    metricsUrls.length > 0 ? `Metrics           ${metricsUrls.join('\n                  ')}\n` : '',
    `Simulated CDF     ${simulatorUrl}   (value of CDF_URL)\n`,
    `Identity provider ${simulatorUrl}/idp/.well-known/openid-configuration\n`,
    count > 1
      ? `Replicas          ${count}, behind ${url}; x-replica in a response says which one has answered\n`
      : '',
    `\nPaste this line into another terminal, and then any of the others:\n`,
    `\n    TOKEN=${token}\n`,
    `\nA front end gets a token from this URL: curl -s ${simulatorUrl}/demo/token\n`,
    ...DEMO_JOBS.map(({ title, job }) => `\n  ${title}\n${curl(job.jobId)}`),
    `\n  A job that CDF does not know\n${curl(UNKNOWN_JOB_ID)}`,
    `\n  An invalid job id\n${curl('0012')}`,
    `\n  A request without an access token\n    curl -i ${url}/jobs/${UNKNOWN_JOB_ID}/quality\n`,
    '\nPress Ctrl-C to stop.\n\n',
  ].join('')
}

try {
  const { values } = parseArgs({ options: { replicas: { type: 'string', default: '1' } } })
  if (!/^[1-9]$/.test(values.replicas)) throw new TypeError('--replicas must be from 1 to 9.')
  await demo(Number(values.replicas))
} catch (error) {
  const { code, port, path } = error as { code?: string; port?: number; path?: string }
  if (error instanceof ConfigError) process.stderr.write(`${error.issues.join('\n')}\n`)
  // The service checks the other ports.
  else if (code === 'ERR_SOCKET_BAD_PORT')
    process.stderr.write('SIMULATOR_PORT must be an integer from 0 to 65535\n')
  else if (code === 'EADDRINUSE') {
    const names = Object.entries(PORTS).filter(([, value]) => value === `${port}`)
    const name = names.map(([name]) => name).join(' or ')
    process.stderr.write(`Port ${port} is in use: set ${name} to another one.\n`)
  } else if (code === 'ENOENT' && path === 'redis-server') {
    process.stderr.write(
      'Several replicas need redis-server: install it (apt install redis-server, brew install redis).\n',
    )
  } else if (error instanceof TypeError) process.stderr.write(`${error.message}\n`)
  else throw error
  process.exit(1)
}
