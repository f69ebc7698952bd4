import { writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import closeWithGrace from 'close-with-grace'
import { callerToken } from '../upstream/caller-token.ts'
import { startSimulator } from '../upstream/start-simulator.ts'
import { DEMO_JOBS } from './jobs.ts'
import { addDemoPage } from './page-server.ts'

/**
 * `npm run simulator`: the demo without the service, for a service that runs separately, as in `compose.yaml`. Prints
 * the environment variables for that service in the format of a `.env` file.
 */
const {
  SIMULATOR_PORT = '3001',
  /** A port on all interfaces that forwards to the simulator, which listens on the loopback interface only. */
  SIMULATOR_FORWARD_PORT,
  /** The file for the client secret, which changes at each start; without a file, the secret is printed. */
  SIMULATOR_SECRET_FILE,
  /** The URL of the service as browsers see it. */
  SERVICE_URL = 'http://127.0.0.1:3000',
} = process.env

/** A working day, so that a copied command keeps working. */
const TOKEN_LIFETIME_SECONDS = 8 * 3600

const port = Number(SIMULATOR_PORT)
const simulator = await startSimulator({ port, tokenLifetimeSeconds: TOKEN_LIFETIME_SECONDS })
for (const { job } of DEMO_JOBS) simulator.cdf.addJob(job)
addDemoPage(simulator, { serviceUrl: SERVICE_URL })

const { IDP_CLIENT_SECRET = '', ...environment } = simulator.environment
if (SIMULATOR_SECRET_FILE)
  await writeFile(SIMULATOR_SECRET_FILE, IDP_CLIENT_SECRET, { mode: 0o600 })

const forwarder = createServer((client) => {
  const server = connect(port, '127.0.0.1')
  client.pipe(server).pipe(client)
  // `pipe` does not forward errors.
  client.on('error', () => server.destroy())
  server.on('error', () => client.destroy())
})
if (SIMULATOR_FORWARD_PORT) forwarder.listen(Number(SIMULATOR_FORWARD_PORT))

closeWithGrace({ delay: 5_000, logger: false }, async () => {
  forwarder.close()
  await simulator.close()
})

const origins = [simulator.url, simulator.url.replace('127.0.0.1', 'localhost')]
const secret = SIMULATOR_SECRET_FILE
  ? { IDP_CLIENT_SECRET_FILE: SIMULATOR_SECRET_FILE }
  : { IDP_CLIENT_SECRET }
const variables = { ...environment, ...secret, CORS_ORIGINS: origins.join() }
const [first] = DEMO_JOBS
process.stdout.write(
  [
    ...Object.entries(variables).map(([name, value]) => `${name}=${value}`),
    `# Demo page: ${simulator.url}/demo`,
    `# curl -H 'Authorization: Bearer ${await callerToken(simulator)}' ${SERVICE_URL}/jobs/${first?.job.jobId}/quality`,
    '',
  ].join('\n'),
)
