import t from 'tap'
import { jobIdOf } from '../support/fixtures.ts'
import { startService } from '../support/start-service.ts'
import { until } from '../support/wait.ts'

t.test('is alive while the identity provider hangs', async (t) => {
  const { get, simulator } = await startService(t)
  simulator.identityProvider.faults.standing = 'hang'
  const { status, body, headers } = await get('/health/live')
  t.equal(status, 200)
  t.strictSame(body, { status: 'ok' })
  t.equal(headers.get('cache-control'), 'no-store')
})

t.test(
  'is ready after the first access token, also during later outages, and sends no request for a health check',
  async (t) => {
    const { get, simulator, app } = await startService(t, {
      prepare: ({ identityProvider }) => {
        identityProvider.faults.standing = { status: 500 }
      },
    })
    const { faults } = simulator.identityProvider
    const notReady = await get('/health/ready')
    t.match(notReady, { status: 503, body: { code: 'identity-provider-unavailable' } })
    t.equal(notReady.headers.get('retry-after'), '2')
    faults.clear()
    await until(() => app.lifeCycle.readinessBlockers.size === 0)
    faults.standing = 'reset'
    simulator.cdf.faults.standing = 'reset'
    const { tokenRequests } = simulator.identityProvider
    t.strictSame((await get('/health/ready')).body, { status: 'ok' })
    t.equal(simulator.identityProvider.tokenRequests, tokenRequests)
    t.equal(simulator.cdf.requests.length, 0)
  },
)

t.test('names a wrong client secret as the reason why it is not ready', async (t) => {
  const environment = { IDP_CLIENT_SECRET: 'wrong' }
  const { get, simulator, logs } = await startService(t, { environment })
  await until(() => logs.some(({ msg }) => msg === 'token request failed'))
  const { tokenRequests } = simulator.identityProvider
  const notReady = await get('/health/ready')
  t.match(notReady, {
    status: 502,
    body: { type: '/problems/identity-provider-rejected', code: 'identity-provider-rejected' },
  })
  t.equal(notReady.headers.get('retry-after'), null)
  t.equal((await get('/problems/identity-provider-rejected')).status, 200)
  t.equal((await get('/health/live')).status, 200)
  t.equal(simulator.identityProvider.tokenRequests, tokenRequests, 'probes send no request')
})

t.test('stays ready if the identity provider rejects the service later', async (t) => {
  const { get, quality, simulator, app } = await startService(t)
  await until(() => app.lifeCycle.readinessBlockers.size === 0)
  await quality(jobIdOf(1))
  simulator.identityProvider.faults.standing = { status: 401, body: '{"error":"invalid_client"}' }
  simulator.cdf.revokeTokens()
  t.match(await quality(jobIdOf(2)), { body: { code: 'identity-provider-rejected' } })
  t.match(await get('/health/ready'), { status: 200 })
})

t.test('is not ready while draining, and closes connections after the response', async (t) => {
  const { get, app } = await startService(t)
  await until(() => app.lifeCycle.readinessBlockers.size === 0)
  app.lifeCycle.drain()
  const ready = await get('/health/ready')
  t.match(ready, { status: 503, body: { code: 'overloaded' } })
  t.equal(ready.headers.get('connection'), 'close')
  const live = await get('/health/live')
  t.equal(live.status, 200)
  t.equal(live.headers.get('connection'), 'close')
})
