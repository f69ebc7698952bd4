import t from 'tap'
import { parseRaw, sendRaw } from '../support/raw-socket.ts'
import { startService } from '../support/start-service.ts'

const REQUEST = 'GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n'

t.test('closes an idle connection after KEEP_ALIVE_TIMEOUT_MS, which it announces', async (t) => {
  const { port } = await startService(t, { environment: { KEEP_ALIVE_TIMEOUT_MS: '1000' } })
  const { headers } = parseRaw(await sendRaw(port, REQUEST))
  t.equal(headers.get('connection'), 'keep-alive')
  t.equal(headers.get('keep-alive'), 'timeout=1')
})

t.test('keeps an idle connection longer than common proxies by default', async (t) => {
  const { get, app } = await startService(t)
  t.equal((await get('/health/live')).headers.get('keep-alive'), 'timeout=72')
  t.equal(app.server.keepAliveTimeout, 72_000)
})
