import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { lasting, SCORES } from '../simulator/simulated-job.ts'
import { jobIds, startStage } from './watchers-stage.ts'

/** What a connection takes that has been answered and waits for its next request. */
const CONNECTIONS = 2_000

const [jobId = ''] = jobIds
const stage = await startStage([lasting(jobId, 'Completed', SCORES)])
const { port, token } = stage.target
const request = `GET /jobs/${jobId}/quality HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`

async function open(count: number): Promise<Socket[]> {
  const sockets: Socket[] = []
  for (let number = 0; number < count; number += 1) {
    const socket = connect(port, '127.0.0.1')
    socket.write(request)
    await once(socket, 'data')
    sockets.push(socket)
  }
  return sockets
}

// Once for nothing, so that code and shapes are there before anything is counted.
for (const socket of await open(200)) socket.destroy()
const before = await stage.sample()
const sockets = await open(CONNECTIONS)
const after = await stage.sample()
for (const socket of sockets) socket.destroy()
await stage.end()

const kib = (bytes: number) => (bytes / CONNECTIONS / 1024).toFixed(1)
process.stdout.write(
  `node ${process.version}: an idle connection takes ${kib(after.used - before.used)} KiB of heap and Buffers, ${kib(after.rss - before.rss)} KiB of RSS (${CONNECTIONS} connections)\n`,
)
process.exit()
