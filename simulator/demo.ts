import { setTimeout as sleep } from 'node:timers/promises'
import closeWithGrace from 'close-with-grace'
import pretty from 'pino-pretty'
import { buildApp } from '../src/app.ts'
import { ConfigError, loadConfig } from '../src/config.ts'
import { DEMO_JOBS, UNKNOWN_JOB_ID } from './demo-jobs.ts'
import { startSimulator } from './start-simulator.ts'

/** `npm run demo`: the service, a simulated CDF and a real identity provider, with nothing to configure. */
async function demo(): Promise<void> {
  const { PORT = '3000', SIMULATOR_PORT = '3001' } = process.env
  const simulator = await startSimulator({ port: Number(SIMULATOR_PORT) })
  for (const { job } of DEMO_JOBS) simulator.cdf.addJob(job)

  const config = loadConfig({ ...simulator.environment, PORT })
  const app = await buildApp(config, {
    logDestination: pretty({
      ignore: 'pid,hostname',
      singleLine: true,
      colorize: process.stdout.isTTY,
    }),
  })
  const url = await app.listen({ ...config.listen })
  closeWithGrace({ delay: 5_000, logger: false }, async () => {
    await app.close()
    await simulator.close()
  })
  while (!app.lifeCycle.ready) await sleep(10)
  process.stdout.write(welcome(url, simulator.url))
}

function welcome(url: string, simulatorUrl: string): string {
  const curl = (jobId: string) => `    curl -i ${url}/jobs/${jobId}/quality\n`
  return [
    `\nSwagger UI        ${url}/docs\n`,
    `Contract          ${url}/openapi.yaml\n`,
    `Simulated CDF     ${simulatorUrl}\n`,
    '\nOne job for each state; paste a line into another terminal:\n',
    ...DEMO_JOBS.map(({ title, job }) => `\n  ${title}\n${curl(job.jobId)}`),
    `\n  A job that CDF does not know, and an id that is none\n${curl(UNKNOWN_JOB_ID)}${curl('0012')}`,
    '\nPress Ctrl-C to end.\n\n',
  ].join('')
}

try {
  await demo()
} catch (error) {
  const { code, port } = error as { code?: string; port?: number }
  if (error instanceof ConfigError) process.stderr.write(`${error.mistakes.join('\n')}\n`)
  else if (code === 'EADDRINUSE')
    process.stderr.write(`Port ${port} is in use: set PORT or SIMULATOR_PORT to another one.\n`)
  else throw error
  process.exit(1)
}
