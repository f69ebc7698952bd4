import { createServer } from 'node:http'
import { completedJob, PORT } from './completed-job.ts'

/** A minimal CDF: every job is completed, and no token is verified. */
const [before = '', after = ''] = JSON.stringify(completedJob('JOB')).split('JOB')

const server = createServer({ optimizeEmptyRequests: true }, ({ url = '' }, response) => {
  const body = `${before}${url.slice(url.lastIndexOf('/') + 1)}${after}`
  response
    .writeHead(200, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    })
    .end(body)
})
server.keepAliveTimeout = 72_000
server.listen(PORT, '127.0.0.1')
