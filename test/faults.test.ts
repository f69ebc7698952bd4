import { gzipSync } from 'node:zlib'
import t from 'tap'
import type { Fault } from '../simulator/fault.ts'
import { lasting, SCORES } from '../simulator/simulated-job.ts'
import type { Simulator } from '../simulator/start-simulator.ts'
import {
  assertProblem,
  fixtureFault,
  fixtureText,
  JOB_ID,
  jobIdOf,
  startService,
} from './helper.ts'

/** One row for each fault: what the caller gets, what it costs CDF, how long it may take, and that it heals. */
interface Row {
  name: string
  /** What stands while the caller asks. */
  cdf?: Fault
  identityProvider?: Fault
  status: number
  code: string
  /** Requests to CDF. */
  calls: number
  /** Whether the next caller is told to wait although the fault is over. */
  leftAlone?: true
}

const GOOD = fixtureText('estimate-running.json')
const MIB = 'x'.repeat(1024 * 1024)
const invalid = { status: 502, code: 'upstream-invalid-response', calls: 1 }
const failed = { status: 502, code: 'upstream-error', calls: 2 }
const timedOut = { status: 504, code: 'upstream-timeout', calls: 1 }
const noToken = { status: 503, code: 'identity-provider-unavailable', calls: 1 }

const ROWS: Row[] = [
  { name: 'a connection reset before the headers', cdf: 'reset', ...failed },
  { name: 'a connection reset in the body', cdf: 'reset-in-body', ...failed },
  { name: 'silence', cdf: 'hang', ...timedOut },
  { name: 'one byte per 100 ms', cdf: { drip: GOOD, everyMs: 100 }, ...timedOut },
  { name: 'a slow answer', cdf: { delayMs: 2_000 }, ...timedOut },
  {
    name: 'an endless header',
    cdf: { raw: `HTTP/1.1 200 OK\r\nx: ${MIB}`, ending: 'silence' },
    ...invalid,
  },
  {
    name: 'headers that never end',
    cdf: { raw: 'HTTP/1.1 200 OK\r\nx: y\r\n', ending: 'silence' },
    ...timedOut,
  },
  { name: 'no HTTP', cdf: { raw: '220 smtp.example ESMTP\r\n' }, ...invalid },
  {
    name: 'a gzip bomb',
    cdf: { status: 200, headers: { 'content-encoding': 'gzip' }, body: gzipSync(MIB.repeat(100)) },
    ...invalid,
  },
  { name: '2 MiB', cdf: { status: 200, body: `"${MIB}${MIB}"` }, ...invalid },
  {
    name: 'a redirect',
    cdf: { status: 307, headers: { location: 'http://127.0.0.1:1/' } },
    ...invalid,
  },
  { name: 'another job', cdf: { status: 200, body: GOOD.replace(JOB_ID, jobIdOf(7)) }, ...invalid },
  {
    name: 'HTML',
    cdf: { status: 200, headers: { 'content-type': 'text/html' }, body: '<html></html>' },
    ...invalid,
  },
  { name: 'truncated JSON', cdf: { status: 200, body: GOOD.slice(0, 100) }, ...invalid },
  { name: 'a 500', cdf: fixtureFault('error-500.json'), ...failed, calls: 1 },
  { name: 'a 502 in HTML', cdf: fixtureFault('error-502-gateway.html'), ...failed },
  { name: 'a 503 in plain text', cdf: fixtureFault('error-503-plain.txt'), ...failed },
  { name: 'a 504', cdf: { status: 504 }, ...failed },
  {
    name: 'a 409 that may be retried',
    cdf: fixtureFault('error-409-auto-retryable.json'),
    status: 502,
    code: 'upstream-rejected',
    calls: 2,
  },
  {
    name: 'a 429',
    cdf: { status: 429 },
    status: 503,
    code: 'upstream-throttled',
    calls: 1,
    leftAlone: true,
  },
  {
    name: 'a 429 that says how long',
    cdf: fixtureFault('error-429-string.json'),
    status: 503,
    code: 'upstream-throttled',
    calls: 1,
    leftAlone: true,
  },
  {
    name: 'endless 401s',
    cdf: fixtureFault('error-401.json'),
    status: 502,
    code: 'upstream-auth-failed',
    calls: 2,
  },
  {
    name: 'a 403',
    cdf: fixtureFault('error-403-forbidden-field.json'),
    status: 502,
    code: 'upstream-forbidden',
    calls: 1,
  },
  { name: 'a lost identity provider', identityProvider: 'reset', ...noToken },
  { name: 'a silent identity provider', identityProvider: 'hang', ...noToken },
  { name: 'a slow identity provider', identityProvider: { delayMs: 2_000 }, ...noToken },
  {
    name: 'an identity provider that fails',
    identityProvider: { status: 500, body: 'sorry' },
    ...noToken,
  },
  {
    name: 'an identity provider in HTML',
    identityProvider: { status: 200, body: '<html>' },
    ...noToken,
  },
  {
    name: 'an identity provider that lies',
    identityProvider: { status: 200, body: '{"access_token":"a\\r\\nb: c","token_type":"Bearer"}' },
    ...noToken,
  },
  {
    name: 'an identity provider without end',
    identityProvider: { status: 200, body: `"${MIB}${MIB}"` },
    ...noToken,
  },
  {
    name: 'an identity provider that redirects',
    identityProvider: { status: 302, headers: { location: 'http://127.0.0.1:1/' } },
    ...noToken,
  },
]

/** The token that the service has is refused, so that it needs another one. */
function withoutToken(simulator: Simulator): void {
  simulator.cdf.revokeTokens()
  simulator.cdf.faults.next({ status: 401 })
}

for (const { name, cdf, identityProvider, status, code, calls, leftAlone } of ROWS) {
  t.test(`${name}: ${code}, ${calls} calls, and it heals`, async (t) => {
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
      withoutToken(simulator)
      simulator.identityProvider.faults.standing = identityProvider
    }
    const startedAt = performance.now()
    const answer = await quality()
    assertProblem(t, answer, status, code)
    t.equal(simulator.cdf.requests.length - before, calls, 'calls')
    // Ten times what the deadline allows: for a slow machine, not for a missing deadline.
    t.ok(performance.now() - startedAt < 15_000, 'in time')

    simulator.cdf.faults.clear()
    simulator.identityProvider.faults.clear()
    const next = await quality()
    if (leftAlone) assertProblem(t, next, 503, 'upstream-throttled')
    else t.match(next, { status: 200, body: { status: 'Completed' } })
  })
}
