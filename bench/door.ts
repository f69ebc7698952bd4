import { execFile, spawn } from 'node:child_process'
import { promisify } from 'node:util'
import { lasting, SCORES } from '../simulator/simulated-job.ts'
import { startSimulator } from '../simulator/start-simulator.ts'
import { freePort } from '../test/helper.ts'
import { median } from './performance-report.ts'

/**
 * What the door costs a cached answer: the service with AUTH_MODE=jwt against the same with AUTH_MODE=none, each a
 * process of its own as in production, under wrk in turns within one run. Needs `wrk` (Debian: apt-get install wrk).
 */
const ROUNDS = 7
const SECONDS = 3
const CONNECTIONS = 64
const LIMIT = 0.85

const jobId = '6f1c2a34-8b0e-4d57-9f2c-1a7be0c94d21'
const simulator = await startSimulator()
simulator.cdf.addJob(lasting(jobId, 'Completed', SCORES))
const token = await simulator.identityProvider.signCallerToken()

async function startService(mode: 'jwt' | 'none') {
  const port = await freePort()
  const child = spawn(process.execPath, ['src/server.ts'], {
    env: {
      ...simulator.environment,
      AUTH_MODE: mode,
      PORT: String(port),
      // High enough not to bite, and counted all the same.
      RATE_LIMIT_PER_MINUTE: '1000000000',
      LOG_LEVEL: process.env.LOG_LEVEL ?? 'info',
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const url = `http://127.0.0.1:${port}/jobs/${jobId}/quality`
  const headers = { authorization: `Bearer ${token}` }
  for (let status = 0; status !== 200; ) {
    status = await fetch(url, { headers }).then(
      (response) => response.status,
      () => 0,
    )
  }
  return { url, end: () => child.kill() }
}

async function requestsPerSecond(url: string): Promise<number> {
  const { stdout } = await promisify(execFile)('wrk', [
    ...['-t', '1', '-c', String(CONNECTIONS), '-d', `${SECONDS}s`],
    ...['-H', `Authorization: Bearer ${token}`, url],
  ])
  if (/Non-2xx/.test(stdout)) throw new Error(stdout)
  return Number(stdout.match(/Requests\/sec: +([\d.]+)/)?.[1])
}

const services = { none: await startService('none'), jwt: await startService('jwt') }
const results = { none: [] as number[], jwt: [] as number[] }
for (let round = 0; round <= ROUNDS; round += 1) {
  for (const mode of ['none', 'jwt'] as const) {
    const rate = await requestsPerSecond(services[mode].url)
    // The first round warms up.
    if (round > 0) results[mode].push(rate)
  }
}
for (const { end } of Object.values(services)) end()
await simulator.close()

const ratio = median(results.jwt) / median(results.none)
const row = (mode: 'none' | 'jwt') =>
  `AUTH_MODE=${mode.padEnd(4)}  median ${median(results[mode]).toFixed(0)} requests/s  (${Math.min(...results[mode]).toFixed(0)}–${Math.max(...results[mode]).toFixed(0)})\n`
process.stdout.write(
  `node ${process.version}, ${CONNECTIONS} connections, ${ROUNDS} rounds of ${SECONDS} s in turns, one cached job\n` +
    `${row('none')}${row('jwt')}ratio ${ratio.toFixed(3)} (limit ${LIMIT})\n`,
)
process.exitCode = ratio >= LIMIT ? 0 : 1
