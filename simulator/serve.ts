import { writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import closeWithGrace from 'close-with-grace'
import { callerToken } from './caller-token.ts'
import { DEMO_JOBS } from './demo-jobs.ts'
import { addDemoPage } from './demo-page.ts'
import { startSimulator } from './start-simulator.ts'

/**
 * The simulated CDF and the identity provider alone, for a service that runs apart, as in `compose.yaml`. Says on
 * standard output what that service needs in its environment, in the form of a `.env` file.
 */
const {
  SIMULATOR_PORT = '3001',
  /** A port of all interfaces that leads to the simulator, which listens on the loopback interface only. */
  SIMULATOR_OUTSIDE_PORT,
  /** Where to write the client's secret, which is made anew at each start; absent = it is said, too. */
  SIMULATOR_SECRET_FILE,
  /** Where a browser finds the service. */
  SERVICE_URL = 'http://127.0.0.1:3000',
} = process.env

/** A working day, so that a pasted line goes on working. */
const TOKEN_LIFETIME_SECONDS = 8 * 3600

const port = Number(SIMULATOR_PORT)
const simulator = await startSimulator({ port, lifetimeSeconds: TOKEN_LIFETIME_SECONDS })
for (const { job } of DEMO_JOBS) simulator.cdf.addJob(job)
addDemoPage(simulator, { serviceUrl: SERVICE_URL })

const { IDP_CLIENT_SECRET = '', ...environment } = simulator.environment
if (SIMULATOR_SECRET_FILE)
  await writeFile(SIMULATOR_SECRET_FILE, IDP_CLIENT_SECRET, { mode: 0o600 })

const outside = createServer((socket) => {
  const inside = connect(port, '127.0.0.1')
  socket.pipe(inside).pipe(socket)
  // When one side breaks, so does the other.
  socket.on('error', () => inside.destroy())
  inside.on('error', () => socket.destroy())
})
if (SIMULATOR_OUTSIDE_PORT) outside.listen(Number(SIMULATOR_OUTSIDE_PORT))

closeWithGrace({ delay: 5_000, logger: false }, async () => {
  outside.close()
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
    `# The page of the demo: ${simulator.url}/demo`,
    `# curl -H 'Authorization: Bearer ${await callerToken(simulator)}' ${SERVICE_URL}/jobs/${first?.job.jobId}/quality`,
    '',
  ].join('\n'),
)
