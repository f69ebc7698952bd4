import t from 'tap'
import { parseRaw, sendRaw } from '../support/raw-socket.ts'
import { startService } from '../support/start-service.ts'

const REQUEST = 'GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n'

t.test('closes an idle connection after KEEP_ALIVE_TIMEOUT_MS, which it announces', async (t) => {
  const { port, app } = await startService(t, { environment: { KEEP_ALIVE_TIMEOUT_MS: '2000' } })
  // Node checks these limits every 2 s. They must not apply between requests.
  app.server.headersTimeout = 500
  app.server.requestTimeout = 500
  const { headers, body } = parseRaw(await sendRaw(port, REQUEST))
  t.equal(headers.get('connection'), 'keep-alive')
  t.equal(headers.get('keep-alive'), 'timeout=2')
  t.strictSame(body, { status: 'ok' }, 'nothing follows the response')
})

t.test('keeps an idle connection longer than common proxies by default', async (t) => {
  const { get, app } = await startService(t)
  t.equal((await get('/health/live')).headers.get('keep-alive'), 'timeout=72')
  t.equal(app.server.keepAliveTimeout, 72_000)
})
