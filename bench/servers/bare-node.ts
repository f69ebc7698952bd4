import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { PORT } from './completed-job.ts'

/** A response of the service: names and values of the headers in turn, and the body. */
export interface RecordedResponse {
  headers: string[]
  body: string
}

/** Responses of the service by path, for requests without and with `If-None-Match`. */
export type RecordedResponses = Record<
  string,
  { etag: string; ok: RecordedResponse; notModified: RecordedResponse }
>

/**
 * The floor for any service on Node: `node:http` that looks up the path and sends recorded responses of the service,
 * headers included. It ignores the token and logs nothing. nginx uses it as its origin.
 */
const responses = new Map(
  Object.entries<RecordedResponses[string]>(
    JSON.parse(readFileSync(process.env.RESPONSES_FILE ?? '', 'utf8')),
  ),
)

const server = createServer({ optimizeEmptyRequests: true }, (request, response) => {
  const recorded = responses.get(request.url ?? '')
  if (!recorded) {
    // The authorization subrequest of nginx.
    response.writeHead(request.headers.authorization ? 204 : 401, { 'x-caller': 'bench' }).end()
  } else if (request.headers['if-none-match'] === recorded.etag) {
    response.writeHead(304, recorded.notModified.headers).end()
  } else {
    response.writeHead(200, recorded.ok.headers).end(recorded.ok.body)
  }
})
server.keepAliveTimeout = 72_000
server.listen(PORT, '127.0.0.1')
