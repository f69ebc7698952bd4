import t from 'tap'
import { callerToken } from '../../simulator/upstream/caller-token.ts'
import type { Fault } from '../../simulator/upstream/fault.ts'
import type { Simulator } from '../../simulator/upstream/start-simulator.ts'
import type { Problem } from '../../src/problems/problem.ts'
import { PROBLEM_CODES, type ProblemCode } from '../../src/problems/problem-types.ts'
import { assertDocumented, operations } from '../support/contract.ts'
import { JOB_ID, jobIdOf } from '../support/fixtures.ts'
import { parseRaw, sendRaw } from '../support/raw-socket.ts'
import { type HttpResponse, request } from '../support/request.ts'
import { type Service, startService } from '../support/start-service.ts'
import { until } from '../support/wait.ts'

/** How to make the service answer with a problem. */
interface Scenario {
  environment?: Record<string, string>
  /** Runs before the service starts. */
  prepare?: (simulator: Simulator) => void
  /** Runs after the service has started. */
  arrange?: (service: Service) => void | Promise<void>
  /** Sends the request. Default: GET. */
  send?: (service: Service, path: string) => Promise<Omit<HttpResponse, 'text'>>
  /** The paths to test, if a test cannot cause the problem in all operations that document it. */
  paths?: RegExp
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

const withCdfFault = (fault: Fault): Scenario => ({
  arrange: ({ simulator }) => {
    simulator.cdf.faults.standing = fault
  },
})
const withToken = async ({ get, simulator }: Service, path: string) =>
  get(path, { authorization: `Bearer ${await callerToken(simulator)}` })

const SCENARIOS: Record<ProblemCode, Scenario> = {
  'invalid-job-id': { send: ({ get }, path) => get(path.replace(JOB_ID, '0012')) },
  'invalid-request': {
    send: ({ get }, path) => get(`${path}${path.includes('?') ? '&' : '?'}%zz`),
  },
  unauthenticated: { environment: { AUTH_MODE: 'jwt' } },
  forbidden: {
    environment: { AUTH_MODE: 'jwt', AUTH_REQUIRED_SCOPE: 'another-scope' },
    send: withToken,
  },
  'job-not-found': {},
  'not-found': { send: ({ get }) => get('/problems/nope') },
  'method-not-allowed': { send: ({ url }, path) => request(`${url}${path}`, { method: 'POST' }) },
  'uri-too-long': {
    send: ({ get }, path) => get(path.replace(/[^/]{9,}(?=\/|$)/, 'a'.repeat(2_000))),
  },
  'too-many-requests': {
    environment: { RATE_LIMIT_PER_MINUTE: '1' },
    arrange: async ({ quality, get }) => {
      await quality()
      await get('/problems/overloaded')
    },
  },
  'headers-too-large': {
    send: async ({ port }, path) =>
      parseRaw(
        await sendRaw(port, `GET ${path} HTTP/1.1\r\nhost: x\r\na: ${'a'.repeat(33_000)}\r\n\r\n`),
      ),
  },
  'internal-error': {
    paths: /^\/jobs\//,
    arrange: ({ app }) => {
      app.jobReader.read = () => {
        throw new Error('a bug')
      }
    },
    send: ({ get }, path) => get(path, { 'last-event-id': 'x' }),
  },
  'upstream-rejected': withCdfFault({ status: 422 }),
  'upstream-auth-failed': withCdfFault({ status: 401 }),
  'upstream-forbidden': withCdfFault({ status: 403 }),
  'upstream-invalid-response': withCdfFault({ status: 200, body: '[]' }),
  'upstream-error': withCdfFault({ status: 500 }),
  'identity-provider-rejected': { environment: { IDP_CLIENT_SECRET: 'wrong' } },
  'identity-provider-unavailable': {
    prepare: ({ identityProvider }) => {
      identityProvider.faults.standing = { status: 500 }
    },
  },
  'caller-keys-unavailable': {
    environment: { AUTH_MODE: 'jwt', AUTH_JWKS_URL: 'http://127.0.0.1:1/keys' },
    arrange: ({ app }) => until(() => app.lifeCycle.readinessBlockers.size === 1),
    send: withToken,
  },
  'upstream-throttled': withCdfFault({ status: 429 }),
  'upstream-unavailable': {
    ...withCdfFault('reset'),
    send: async ({ get }, path) => {
      for (;;) {
        const response = await get(path)
        if ((response.body as Problem).code !== 'upstream-error') return response
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
    arrange: async ({ simulator, quality, app }) => {
      simulator.cdf.faults.standing = 'hang'
      quality(jobIdOf(1)).catch(() => {})
      await until(() => simulator.cdf.requests.length === 1)
      app.lifeCycle.drain()
    },
  },
  'upstream-timeout': {
    ...withCdfFault('hang'),
    environment: { UPSTREAM_ATTEMPT_TIMEOUT_MS: '100', UPSTREAM_DEADLINE_MS: '300' },
  },
}

/** Whether the contract documents a problem for an operation. */
function documents({ responses }: (typeof operations)[number], code: ProblemCode): boolean {
  return Object.values(responses).some(
    ({ content }) => code in (content?.['application/problem+json']?.examples ?? {}),
  )
}

for (const code of PROBLEM_CODES) {
  const { environment = {}, prepare, arrange, send, paths = /^/ } = SCENARIOS[code]
  t.test(`sends ${code} as documented, for each operation that documents it`, async (t) => {
    const service = await startService(t, { environment, ...(prepare && { prepare }) })
    await arrange?.(service)
    const documented = operations.filter(
      (operation) => documents(operation, code) && paths.test(operation.path),
    )
    t.ok(documented.length > 0)
    for (const operation of documented) {
      const path = PATHS[operation.operationId] ?? ''
      const response = await (send ? send(service, path) : service.get(path))
      t.equal((response.body as Problem | undefined)?.code, code, operation.operationId)
      assertDocumented(t, operation, response)
    }
  })
}
