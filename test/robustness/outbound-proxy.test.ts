import type { Test } from 'tap'
import t from 'tap'
import { lasting } from '../../simulator/upstream/simulated-job.ts'
import { assertProblem } from '../support/assert-problem.ts'
import { JOB_ID } from '../support/fixtures.ts'
import { freePort } from '../support/local-server.ts'
import { startProxy, type TestProxy } from '../support/proxy-server.ts'
import { type Service, startService } from '../support/start-service.ts'
import { until } from '../support/wait.ts'

/** The URL of a proxy with credentials that must not appear anywhere. */
const withPassword = ({ host }: Pick<TestProxy, 'host'>) => `http://user:very-secret@${host}`

const lineOf = ({ logs }: Service, msg: string) => logs.find((line) => line.msg === msg)

function assertNoSecret(t: Test, { logs }: Service, ...texts: string[]): void {
  t.notMatch(
    JSON.stringify(logs) + texts.join(),
    /very-secret|dXNlcjp2ZXJ5LXNlY3JldA|the text of the proxy/,
  )
}

t.test('sends requests to CDF, token endpoint, discovery and JWKS through the proxy', async (t) => {
  const proxy = await startProxy(t)
  const service = await startService(t, {
    environment: {
      AUTH_MODE: 'jwt',
      HTTP_PROXY: withPassword(proxy),
      IDP_TOKEN_URL: '',
    },
    prepare: (simulator) => {
      simulator.environment.IDP_DISCOVERY_URL = simulator.issuer
    },
  })
  const { simulator, quality, get } = service
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  const token = await simulator.identityProvider.signCallerToken()
  t.equal((await quality(JOB_ID, { authorization: `Bearer ${token}` })).status, 200)
  t.equal((await get('/docs')).status, 200)
  const { issuer, url } = simulator
  t.strictSame([...new Set(proxy.requests)].sort(), [
    `GET ${url}/api/v1/projects/demo-project/advancedjoins/estimatequality/${JOB_ID}`,
    `GET ${issuer}/.well-known/openid-configuration`,
    `GET ${issuer}/jwks`,
    `POST ${issuer}/token`,
  ])
  assertNoSecret(t, service)
})

t.test('answers with identity-provider-unavailable if the proxy refuses', async (t) => {
  const proxy = await startProxy(t)
  proxy.behavior = 407
  const service = await startService(t, {
    environment: {
      HTTPS_PROXY: withPassword(proxy),
      IDP_TOKEN_URL: 'https://idp.example/token',
    },
  })
  const answer = await service.quality()
  assertProblem(t, answer, 503, 'identity-provider-unavailable')
  t.match(lineOf(service, 'token request failed'), {
    err: { cause: { message: /proxy answered CONNECT with status 407/ } },
  })
  assertNoSecret(t, service, answer.text)
})

t.test('names the proxy that refuses a request to the issuer of callers', async (t) => {
  const proxy = await startProxy(t)
  proxy.behavior = 403
  const service = await startService(t, {
    environment: {
      AUTH_MODE: 'jwt',
      AUTH_ISSUER: 'https://issuer.example',
      DOCS_OAUTH_CLIENT_ID: '',
      HTTPS_PROXY: withPassword(proxy),
    },
  })
  await until(() => lineOf(service, 'JWKS fetch failed') !== undefined)
  t.match(lineOf(service, 'JWKS fetch failed'), {
    err: {
      message: 'connection to issuer.example:443 failed: proxy answered CONNECT with status 403',
    },
  })
  assertNoSecret(t, service)
})

t.test('answers with upstream-error if the proxy fails between the service and CDF', async (t) => {
  const proxy = await startProxy(t)
  const dead = { host: `127.0.0.1:${await freePort()}` }
  proxy.behavior = 502
  for (const [url, failure] of [
    [withPassword(proxy), 'proxy answered CONNECT with status 502'],
    [withPassword(dead), `proxy ${dead.host} unreachable: ECONNREFUSED`],
  ] as const) {
    const service = await startService(t, {
      environment: { CDF_URL: 'https://cdf.example', https_proxy: url },
    })
    const answer = await service.quality()
    assertProblem(t, answer, 502, 'upstream-error')
    t.match(lineOf(service, 'CDF request'), { failure })
    assertNoSecret(t, service, answer.text)
  }
})
