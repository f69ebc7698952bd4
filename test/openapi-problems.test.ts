import t from 'tap'
import { callerToken } from '../simulator/caller-token.ts'
import type { Fault } from '../simulator/fault.ts'
import type { Simulator } from '../simulator/start-simulator.ts'
import type { Problem } from '../src/problem.ts'
import type { ProblemCode } from '../src/problem-table.ts'
import { PROBLEM_CODES } from '../src/problem-table.ts'
import { assertDocumented, operations } from './contract.ts'
import type { Answer, Service } from './helper.ts'
import { JOB_ID, jobIdOf, parseRaw, request, sendRaw, startService, until } from './helper.ts'

/** How to be answered with a problem. */
interface Way {
  environment?: Record<string, string>
  /** Before the service starts. */
  prepare?: (simulator: Simulator) => void
  /** Once it has started. */
  upset?: (service: Service) => void | Promise<void>
  /** Instead of a plain GET of the path. */
  ask?: (service: Service, path: string) => Promise<Omit<Answer, 'text'>>
  /** Only here, where others that have the problem cannot be brought to it from outside. */
  within?: RegExp
}

const PATHS: Record<string, string> = {
  getJobQuality: `/jobs/${JOB_ID}/quality`,
  listJobQualities: `/jobs/quality?jobId=${JOB_ID}`,
  streamJobQuality: `/jobs/${JOB_ID}/quality/events`,
  streamJobQualities: `/jobs/quality/events?jobId=${JOB_ID}`,
  getLiveness: '/health/live',
  getReadiness: '/health/ready',
  getProblemPage: '/problems/not-found',
  getContractAsYaml: '/openapi.yaml',
  getContractAsJson: '/openapi.json',
}

const whileCdf = (fault: Fault): Way => ({
  upset: ({ simulator }) => {
    simulator.cdf.faults.standing = fault
  },
})
const withToken = async ({ get, simulator }: Service, path: string) =>
  get(path, { authorization: `Bearer ${await callerToken(simulator)}` })

const WAYS: Record<ProblemCode, Way> = {
  'invalid-job-id': { ask: ({ get }, path) => get(path.replace(JOB_ID, '0012')) },
  'invalid-request': { ask: ({ get }, path) => get(`${path}${path.includes('?') ? '&' : '?'}%zz`) },
  unauthenticated: { environment: { AUTH_MODE: 'jwt' } },
  forbidden: {
    environment: { AUTH_MODE: 'jwt', AUTH_REQUIRED_SCOPE: 'another-scope' },
    ask: withToken,
  },
  'job-not-found': {},
  'not-found': { ask: ({ get }) => get('/problems/nope') },
  'method-not-allowed': { ask: ({ url }, path) => request(`${url}${path}`, { method: 'POST' }) },
  'uri-too-long': {
    ask: ({ get }, path) => get(path.replace(/[^/]{9,}(?=\/|$)/, 'a'.repeat(2_000))),
  },
  'too-many-requests': {
    environment: { RATE_LIMIT_PER_MINUTE: '1' },
    upset: async ({ quality }) => {
      await quality()
    },
  },
  'headers-too-large': {
    ask: async ({ port }, path) =>
      parseRaw(
        await sendRaw(port, `GET ${path} HTTP/1.1\r\nhost: x\r\na: ${'a'.repeat(17_000)}\r\n\r\n`),
      ),
  },
  'internal-error': {
    within: /^\/jobs\//,
    upset: ({ app }) => {
      app.jobQuality.read = () => {
        throw new Error('a bug')
      }
    },
    ask: ({ get }, path) => get(path, { 'last-event-id': 'x' }),
  },
  'upstream-rejected': whileCdf({ status: 422 }),
  'upstream-auth-failed': whileCdf({ status: 401 }),
  'upstream-forbidden': whileCdf({ status: 403 }),
  'upstream-invalid-response': whileCdf({ status: 200, body: '[]' }),
  'upstream-error': whileCdf({ status: 500 }),
  'identity-provider-rejected': { environment: { IDP_CLIENT_SECRET: 'wrong' } },
  'identity-provider-unavailable': {
    prepare: ({ identityProvider }) => {
      identityProvider.faults.standing = { status: 500 }
    },
  },
  'caller-keys-unavailable': {
    environment: { AUTH_MODE: 'jwt', AUTH_JWKS_URL: 'http://127.0.0.1:1/keys' },
    upset: ({ app }) => until(() => app.lifeCycle.missing.size === 1),
    ask: withToken,
  },
  'upstream-throttled': whileCdf({ status: 429 }),
  'upstream-unavailable': {
    ...whileCdf('reset'),
    ask: async ({ get }, path) => {
      for (;;) {
        const answer = await get(path)
        if ((answer.body as Problem).code !== 'upstream-error') return answer
      }
    },
  },
  overloaded: {
    environment: {
      UPSTREAM_MAX_CONCURRENCY: '1',
      UPSTREAM_MAX_QUEUE: '0',
      UPSTREAM_ATTEMPT_TIMEOUT_MS: '1000',
      UPSTREAM_MAX_ATTEMPTS: '1',
    },
    upset: async ({ simulator, quality, app }) => {
      simulator.cdf.faults.standing = 'hang'
      quality(jobIdOf(1)).catch(() => {})
      await until(() => simulator.cdf.requests.length === 1)
      app.lifeCycle.drain()
    },
  },
  'upstream-timeout': {
    ...whileCdf('hang'),
    environment: { UPSTREAM_ATTEMPT_TIMEOUT_MS: '100', UPSTREAM_DEADLINE_MS: '300' },
  },
}

/** Whether an operation has a problem, as the contract says. */
function has({ responses }: (typeof operations)[number], code: ProblemCode): boolean {
  return Object.values(responses).some(
    ({ content }) => code in (content?.['application/problem+json']?.examples ?? {}),
  )
}

for (const code of PROBLEM_CODES) {
  const { environment = {}, prepare, upset, ask, within = /^/ } = WAYS[code]
  t.test(`sends ${code} as the contract has it, wherever the contract has it`, async (t) => {
    const service = await startService(t, { environment, ...(prepare && { prepare }) })
    await upset?.(service)
    const those = operations.filter(
      (operation) => has(operation, code) && within.test(operation.path),
    )
    t.ok(those.length > 0)
    for (const operation of those) {
      const path = PATHS[operation.operationId] ?? ''
      const answer = await (ask ? ask(service, path) : service.get(path))
      t.equal((answer.body as Problem | undefined)?.code, code, operation.operationId)
      assertDocumented(t, operation, answer)
    }
  })
}
