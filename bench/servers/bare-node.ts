import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { jobIds, jobQualityOf, PORT } from './ready-job.ts'

/** `buffer`: bodies are Buffers, as one would keep what is ready; else texts, as the service keeps them. */
const { BODY } = process.env

/**
 * What Node itself can do: looks the id up in a Map and writes bytes that were ready before. It checks nobody, counts
 * nothing, logs nothing and sends three headers; what makes the service's own server fast is on here, too.
 */
const jobs = new Map(
  jobIds.map((jobId) => {
    const text = JSON.stringify(jobQualityOf(jobId))
    const etag = `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"`
    const head = ['content-type', 'application/json; charset=utf-8', 'etag', etag]
    const fullHead = [...head, 'content-length', String(Buffer.byteLength(text))]
    const body = BODY === 'buffer' ? Buffer.from(text) : text
    return [jobId, { body, etag, fullHead, unchangedHead: ['etag', etag] }]
  }),
)

const server = createServer({ optimizeEmptyRequests: true }, (request, response) => {
  const { url = '' } = request
  if (url.startsWith('/jobs/quality?')) {
    // The batch: the pieces that are there, joined.
    const items = url
      .slice('/jobs/quality?jobId='.length)
      .split('&jobId=')
      .map((jobId) => `{"jobId":"${jobId}","quality":${jobs.get(jobId)?.body},"problem":null}`)
    const body = `{"items":[${items.join()}]}`
    response.writeHead(200, [
      ...['content-type', 'application/json; charset=utf-8'],
      ...['content-length', String(Buffer.byteLength(body))],
    ])
    response.end(body)
    return
  }
  const job = jobs.get(url.slice('/jobs/'.length, -'/quality'.length))
  if (!job) {
    response.writeHead(404).end()
  } else if (request.headers['if-none-match'] === job.etag) {
    response.writeHead(304, job.unchangedHead).end()
  } else {
    response.writeHead(200, job.fullHead).end(job.body)
  }
})
server.keepAliveTimeout = 72_000
server.listen(PORT, '127.0.0.1')
