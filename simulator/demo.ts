import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import closeWithGrace from 'close-with-grace'
import pretty from 'pino-pretty'
import { buildApp } from '../src/app.ts'
import { loadConfig } from '../src/config.ts'
import { ConfigError } from '../src/load-environment.ts'
import { callerToken } from './caller-token.ts'
import { DEMO_JOBS, UNKNOWN_JOB_ID } from './demo-jobs.ts'
import { addDemoPage } from './demo-page.ts'
import { startSimulator } from './start-simulator.ts'

/** A working day, so that a pasted line goes on working. */
const TOKEN_LIFETIME_SECONDS = 8 * 3600

/** `npm run demo`: the service, a simulated CDF and a real identity provider, with nothing to configure. */
async function demo(): Promise<void> {
  const { PORT = '3000', SIMULATOR_PORT = '3001', METRICS_PORT = '9464' } = process.env
  const simulator = await startSimulator({
    port: Number(SIMULATOR_PORT),
    lifetimeSeconds: TOKEN_LIFETIME_SECONDS,
  })
  for (const { job } of DEMO_JOBS) simulator.cdf.addJob(job)

  const config = loadConfig({
    ...simulator.environment,
    PORT,
    METRICS_PORT,
    CORS_ORIGINS: [simulator.url, simulator.url.replace('127.0.0.1', 'localhost')].join(),
  })
  const app = await buildApp(config, {
    logDestination: pretty({
      ignore: 'pid,hostname',
      // It takes a caller for a place in the code.
      customPrettifiers: { caller: (caller) => JSON.stringify(caller) },
      singleLine: true,
      colorize: process.stdout.isTTY,
    }),
  })
  const url = await app.listen({ ...config.listen })
  addDemoPage(simulator, { serviceUrl: url })
  const folder = await mkdtemp(join(tmpdir(), 'cdf-job-quality-'))
  closeWithGrace({ delay: 5_000, logger: false }, async () => {
    await app.close()
    await simulator.close()
    await rm(folder, { recursive: true })
  })
  while (app.lifeCycle.missing.size > 0) await sleep(10)
  const authorization = `Authorization: Bearer ${await callerToken(simulator)}`
  const headerFile = join(folder, 'authorization')
  await writeFile(headerFile, authorization, { mode: 0o600 })
  process.stdout.write(welcome(url, simulator.url, METRICS_PORT, authorization, headerFile))
}

function welcome(
  url: string,
  simulatorUrl: string,
  metricsPort: string,
  authorization: string,
  headerFile: string,
): string {
  const [first, ...others] = DEMO_JOBS.map(({ title, job }) => ({
    title,
    path: `/jobs/${job.jobId}/quality`,
  }))
  const curl = (path: string) => `    curl -i -H @${headerFile} ${url}${path}\n`
  return [
    `\nSwagger UI        ${url}/docs   (Authorize → login → one click)\n`,
    `Live page         ${simulatorUrl}/demo\n`,
    `Contract          ${url}/openapi.yaml\n`,
    `Metrics           http://127.0.0.1:${metricsPort}/metrics\n`,
    `Simulated CDF     ${simulatorUrl}\n`,
    `Identity provider ${simulatorUrl}/idp\n`,
    '\nOne job for each state; paste a line into another terminal. The first one shows its token, the others read it from a file:\n',
    `\n  ${first?.title}\n    curl -i -H '${authorization}' ${url}${first?.path}\n`,
    ...others.map(({ title, path }) => `\n  ${title}\n${curl(path)}`),
    `\n  A job that CDF does not know, and an id that is none\n`,
    curl(`/jobs/${UNKNOWN_JOB_ID}/quality`),
    curl('/jobs/0012/quality'),
    `\n  Nobody gets in without a token\n    curl -i ${url}${first?.path}\n`,
    '\nPress Ctrl-C to end.\n\n',
  ].join('')
}

try {
  await demo()
} catch (error) {
  const { code, port } = error as { code?: string; port?: number }
  if (error instanceof ConfigError) process.stderr.write(`${error.mistakes.join('\n')}\n`)
  else if (code === 'EADDRINUSE') {
    process.stderr.write(`Port ${port} is in use: set PORT or SIMULATOR_PORT to another one.\n`)
  } else throw error
  process.exit(1)
}
