import { gzipSync } from 'node:zlib'
import t from 'tap'
import type { Fault } from '../../simulator/upstream/fault.ts'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import type { Simulator } from '../../simulator/upstream/start-simulator.ts'
import { assertProblem } from '../support/assert-problem.ts'
import { fixtureFault, fixtureText, JOB_ID, jobIdOf } from '../support/fixtures.ts'
import { startService } from '../support/start-service.ts'

/** A fault, the response to the caller and the number of requests to CDF. */
interface Row {
  name: string
  /** Faults during the request of the caller. */
  cdf?: Fault
  identityProvider?: Fault
  status: number
  code: string
  /** Number of requests to CDF. */
  requests: number
  /** Whether the service still answers with `upstream-throttled` after the fault. */
  coolsDown?: true
}

const RUNNING = fixtureText('estimate-running.json')
const MIB = 'x'.repeat(1024 * 1024)
const invalid = { status: 502, code: 'upstream-invalid-response', requests: 1 }
const failed = { status: 502, code: 'upstream-error', requests: 2 }
const timedOut = { status: 504, code: 'upstream-timeout', requests: 1 }
const noToken = { status: 503, code: 'identity-provider-unavailable', requests: 1 }

const ROWS: Row[] = [
  // The first request uses a pooled connection, so it is repeated without being counted.
  { name: 'a connection reset before the headers', cdf: 'reset', ...failed, requests: 3 },
  { name: 'a connection reset in the body', cdf: 'reset-in-body', ...failed },
  { name: 'no response', cdf: 'hang', ...timedOut },
  { name: 'one byte per 100 ms', cdf: { slowBody: RUNNING, everyMs: 100 }, ...timedOut },
  { name: 'a slow response', cdf: { delayMs: 2_000 }, ...timedOut },
  {
    name: 'a header of 1 MiB',
    cdf: { raw: `HTTP/1.1 200 OK\r\nx: ${MIB}`, keepOpen: true },
    ...invalid,
  },
  {
    name: 'headers that never end',
    cdf: { raw: 'HTTP/1.1 200 OK\r\nx: y\r\n', keepOpen: true },
    ...timedOut,
  },
  { name: 'a response that is not HTTP', cdf: { raw: '220 smtp.example ESMTP\r\n' }, ...invalid },
  {
    name: 'a gzip bomb',
    cdf: { status: 200, headers: { 'content-encoding': 'gzip' }, body: gzipSync(MIB.repeat(100)) },
    ...invalid,
  },
  { name: 'a body of 2 MiB', cdf: { status: 200, body: `"${MIB}${MIB}"` }, ...invalid },
  {
    name: 'a redirect',
    cdf: { status: 307, headers: { location: 'http://127.0.0.1:1/' } },
    ...invalid,
  },
  {
    name: 'another job',
    cdf: { status: 200, body: RUNNING.replace(JOB_ID, jobIdOf(7)) },
    ...invalid,
  },
  {
    name: 'HTML',
    cdf: { status: 200, headers: { 'content-type': 'text/html' }, body: '<html></html>' },
    ...invalid,
  },
  { name: 'truncated JSON', cdf: { status: 200, body: RUNNING.slice(0, 100) }, ...invalid },
  { name: 'a 500', cdf: fixtureFault('error-500.json'), ...failed, requests: 1 },
  { name: 'a 502 in HTML', cdf: fixtureFault('error-502-gateway.html'), ...failed },
  { name: 'a 503 in plain text', cdf: fixtureFault('error-503-plain.txt'), ...failed },
  { name: 'a 504', cdf: { status: 504 }, ...failed },
  {
    name: 'a retryable 409',
    cdf: fixtureFault('error-409-auto-retryable.json'),
    status: 502,
    code: 'upstream-rejected',
    requests: 2,
  },
  {
    name: 'a 429',
    cdf: { status: 429 },
    status: 503,
    code: 'upstream-throttled',
    requests: 1,
    coolsDown: true,
  },
  {
    name: 'a 429 with Retry-After',
    cdf: fixtureFault('error-429-string.json'),
    status: 503,
    code: 'upstream-throttled',
    requests: 1,
    coolsDown: true,
  },
  {
    name: 'repeated 401s',
    cdf: fixtureFault('error-401.json'),
    status: 502,
    code: 'upstream-auth-failed',
    requests: 2,
  },
  {
    name: 'a 403',
    cdf: fixtureFault('error-403-forbidden-field.json'),
    status: 502,
    code: 'upstream-forbidden',
    requests: 1,
  },
  { name: 'a connection to the identity provider reset', identityProvider: 'reset', ...noToken },
  { name: 'an identity provider that does not respond', identityProvider: 'hang', ...noToken },
  { name: 'a slow identity provider', identityProvider: { delayMs: 2_000 }, ...noToken },
  {
    name: 'a 500 of the identity provider',
    identityProvider: { status: 500, body: 'sorry' },
    ...noToken,
  },
  {
    name: 'HTML from the identity provider',
    identityProvider: { status: 200, body: '<html>' },
    ...noToken,
  },
  {
    name: 'an access token with a line break',
    identityProvider: { status: 200, body: '{"access_token":"a\\r\\nb: c","token_type":"Bearer"}' },
    ...noToken,
  },
  {
    name: 'a body of 2 MiB from the identity provider',
    identityProvider: { status: 200, body: `"${MIB}${MIB}"` },
    ...noToken,
  },
  {
    name: 'a redirect of the identity provider',
    identityProvider: { status: 302, headers: { location: 'http://127.0.0.1:1/' } },
    ...noToken,
  },
]

/** Makes CDF reject the current access token, so that the service requests a new one. */
function requireNewToken(simulator: Simulator): void {
  simulator.cdf.revokeTokens()
  simulator.cdf.faults.next({ status: 401 })
}

for (const { name, cdf, identityProvider, status, code, requests, coolsDown } of ROWS) {
  t.test(`answers with ${code} after ${name}, then recovers`, async (t) => {
    const { simulator, quality } = await startService(t, {
      environment: {
        UPSTREAM_ATTEMPT_TIMEOUT_MS: '400',
        UPSTREAM_DEADLINE_MS: '1500',
        IDP_TIMEOUT_MS: '400',
      },
    })
    simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
    simulator.cdf.addJob(lasting(jobIdOf(1), 'Running'))
    await quality(jobIdOf(1))
    const before = simulator.cdf.requests.length

    if (cdf) simulator.cdf.faults.standing = cdf
    if (identityProvider) {
      requireNewToken(simulator)
      simulator.identityProvider.faults.standing = identityProvider
    }
    const startedAt = performance.now()
    const answer = await quality()
    assertProblem(t, answer, status, code)
    t.equal(simulator.cdf.requests.length - before, requests, 'requests to CDF')
    // Ten times the deadline, for slow machines.
    t.ok(performance.now() - startedAt < 15_000, 'in time')

    simulator.cdf.faults.clear()
    simulator.identityProvider.faults.clear()
    const next = await quality()
    if (coolsDown) assertProblem(t, next, 503, 'upstream-throttled')
    else t.match(next, { status: 200, body: { status: 'Completed' } })
  })
}
