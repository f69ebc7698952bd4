import { readFileSync } from 'node:fs'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import { createSecureServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { httpAgent } from '../src/http-agent.ts'
import { exchange } from '../src/http-exchange.ts'

const pem = (name: string) => readFileSync(new URL(`fixtures/${name}`, import.meta.url))

t.test('speaks HTTP/1.1 over TLS, also to a server that offers HTTP/2', async (t) => {
  const versions: string[] = []
  const server = createSecureServer({
    allowHTTP1: true,
    key: pem('localhost-key.pem'),
    cert: pem('localhost-certificate.pem'),
  })
  server.on('request', (request: Http2ServerRequest, response: Http2ServerResponse) => {
    versions.push(request.httpVersion)
    response.end('good')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const dispatcher = httpAgent({ connect: { ca: pem('localhost-certificate.pem') } })
  t.teardown(async () => {
    await dispatcher.destroy()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const answer = await exchange(`https://127.0.0.1:${port}/`, {
    method: 'GET',
    headers: {},
    signal: AbortSignal.timeout(5000),
    dispatcher,
  })
  t.match(answer, { status: 200 })
  t.equal(answer.body.toString(), 'good')
  t.strictSame(versions, ['1.1'])
})
