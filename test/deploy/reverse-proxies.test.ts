import t from 'tap'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import { openEvents } from '../support/event-stream.ts'
import { JOB_ID } from '../support/fixtures.ts'
import { request } from '../support/request.ts'
import { REVERSE_PROXIES, startReverseProxy } from '../support/reverse-proxy.ts'
import { skipWithout } from '../support/skip-without.ts'
import { startService } from '../support/start-service.ts'
import { until } from '../support/wait.ts'

for (const proxy of REVERSE_PROXIES) {
  const skip = await skipWithout(proxy.command, proxy.versionArgument)
  t.test(`behind ${proxy.name}, which compresses everything`, { skip }, async (t) => {
    const { port, app, simulator, logs } = await startService(t, {
      environment: { AUTH_MODE: 'jwt', TRUST_PROXY: '1' },
    })
    const origin = await startReverseProxy(t, proxy, port)
    const token = await simulator.identityProvider.signCallerToken()
    const authorization = { authorization: `Bearer ${token}` }
    const get = (path: string, headers: Record<string, string> = {}) =>
      request(origin + path, { headers: { ...authorization, ...headers } })
    const accessLogLines = () => logs.filter(({ msg }) => msg === 'request')

    t.test('each event of a stream arrives immediately and uncompressed', async (t) => {
      simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
      const url = `${origin}/jobs/${JOB_ID}/quality/events`
      const stream = await openEvents(t, url, authorization)
      t.equal(stream.headers.get('content-encoding'), null)
      t.equal(stream.headers.get('content-type'), 'text/event-stream; charset=utf-8')
      await until(() => stream.events.length === 1)
      simulator.cdf.addJob(lasting(JOB_ID, 'Failed'))
      await until(stream.hasEnded)
      t.strictSame(stream.states(), ['Running', 'Failed'])
    })

    t.test('repeated requests with the changed entity tag get a 304', async (t) => {
      simulator.cdf.addJob(lasting('1', 'Completed', SCORES))
      for (const path of ['/jobs/1/quality', '/jobs/quality?jobId=1', '/openapi.yaml']) {
        const { status, headers } = await get(path)
        t.equal(status, 200, path)
        t.equal(headers.get('content-encoding'), 'gzip', path)
        const known = { 'if-none-match': headers.get('etag') ?? '' }
        if (path.startsWith('/jobs')) t.match(known['if-none-match'], /^W\/|-gzip"$/)
        for (const _ of ['first', 'second'])
          t.match(await get(path, known), { status: 304, text: '' }, path)
      }
    })

    t.test('a wait with the changed entity tag lasts until the job changes', async (t) => {
      simulator.cdf.addJob(lasting('2', 'Running'))
      const { headers } = await get('/jobs/2/quality')
      const known = { 'if-none-match': headers.get('etag') ?? '' }
      const waiting = get('/jobs/2/quality', { ...known, prefer: 'wait=20' })
      await until(() => app.jobPoller.sizes.watchers === 1)
      simulator.cdf.addJob(lasting('2', 'Failed'))
      const { status, body } = await waiting
      t.equal(status, 200)
      t.match(body, { status: 'Failed' })
      t.equal(accessLogLines().filter(({ mode }) => mode === 'wait').length, 1, 'one request')
    })

    t.test('an access token of 16 KiB reaches the service', async (t) => {
      const large = await simulator.identityProvider.signCallerToken({
        groups: Array.from({ length: 300 }, (_, index) => `${index}`.padStart(36, '0')),
      })
      t.ok(large.length > 15_000 && large.length < 16_384, `${large.length} characters`)
      const headers = { authorization: `Bearer ${large}` }
      t.equal((await request(`${origin}/jobs/1/quality`, { headers })).status, 200)
    })

    t.test('request ids and the addresses of callers reach the service', async (t) => {
      const { headers } = await request(`${origin}/jobs/1/quality`, {
        headers: { 'x-request-id': 'mine', 'x-forwarded-for': '203.0.113.9' },
      })
      t.equal(headers.get('x-request-id'), 'mine')
      t.match(
        logs.find(({ msg }) => msg === 'authentication failed'),
        { requestId: 'mine', address: '127.0.0.1' },
        'the address that the proxy has added, not the one that the caller claims',
      )
    })
  })
}
