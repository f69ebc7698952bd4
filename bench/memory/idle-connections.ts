import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import { jobIds, pathOf } from '../servers/completed-job.ts'
import { startMeasuredService } from '../support/measured-service.ts'
import { kib, line } from '../support/report.ts'

/** `npm run bench:connections`: memory of a connection that waits for its next request. */
const CONNECTIONS = 2_000

const [jobId = ''] = jobIds
const service = await startMeasuredService([lasting(jobId, 'Completed', SCORES)])
const { port, token } = service.target
const request = `GET ${pathOf(jobId)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`

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

// Warms up, so that compiled code is not counted.
for (const socket of await open(200)) socket.destroy()
const before = await service.sample()
await open(CONNECTIONS)
const after = await service.sample()
await service.end()

const each = (key: 'used' | 'rss') => kib((after[key] - before[key]) / CONNECTIONS)
line(
  `node ${process.version}: an idle connection takes ${each('used')} of heap and Buffers, ` +
    `${each('rss')} of RSS (${CONNECTIONS} connections)`,
)
process.exit()
