import fc from 'fast-check'
import t from 'tap'
import { PROBLEM_TYPES } from '../../src/problems/problem-types.ts'
import { JOB_ID } from '../support/fixtures.ts'
import { parseRaw, sendRaw } from '../support/raw-socket.ts'
import { startService } from '../support/start-service.ts'

/** The documented statuses, except 500. */
const STATUSES = new Set<number>([
  200,
  302,
  304,
  ...Object.values(PROBLEM_TYPES).map(({ status }) => status),
])
STATUSES.delete(500)

const RUNS = { numRuns: Number(process.env.FAST_CHECK_RUNS ?? 150) }

/** Any code points. Each `fc.string` of this unit builds a table of all of them. */
const anyText = fc.string({ unit: 'binary' })
/** Text without line breaks, for a request line or a header. */
const token = fc.string({
  unit: fc.constantFrom(...'abcXYZ019-._~!$&()*+,;=:@/?%#[]{}|"<>^`\\\u00e9\t '),
  maxLength: 60,
})
const name = fc.oneof(
  fc.constantFrom(
    'host',
    'authorization',
    'if-none-match',
    'prefer',
    'last-event-id',
    'x-request-id',
    'traceparent',
    'expect',
    'upgrade',
    'connection',
    'origin',
    'x-forwarded-for',
    'content-type',
    'accept',
    'cookie',
    '__proto__',
    'constructor',
  ),
  fc.string({ unit: fc.constantFrom(...'abcxyz-_019'), minLength: 1, maxLength: 20 }),
)
const path = fc.oneof(
  token,
  token.map((part) => `jobs/${part}/quality`),
  token.map((part) => `jobs/${JOB_ID}/quality${part}`),
  token.map((part) => `jobs/${JOB_ID}/quality/events${part}`),
  token.map((part) => `jobs/quality?jobId=${JOB_ID}&${part}`),
  token.map((part) => `jobs/quality/events?jobId=${part}`),
  fc.constantFrom(
    'docs',
    'docs/',
    'docs/static/../../package.json',
    'docs/static/%2e%2e/%2e%2e/package.json',
    'openapi.yaml',
    'health/ready',
    'problems/__proto__',
    '%2e%2e/%2e%2e/etc/passwd',
  ),
)

t.test('answers any request with a documented status other than 500', async (t) => {
  const { port, logs } = await startService(t, {
    environment: { CORS_ORIGINS: 'https://app.example', RATE_LIMIT_PER_MINUTE: '0' },
  })
  const method = fc.constantFrom('GET', 'GET', 'GET', 'HEAD', 'POST', 'OPTIONS', 'DELETE')
  const headers = fc.array(fc.tuple(name, token), { maxLength: 6 })
  await fc.assert(
    fc.asyncProperty(method, path, headers, async (method, path, headers) => {
      const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
      const raw = await sendRaw(
        port,
        `${method} /${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${lines}\r\n`,
      )
      // Not parsed: a response to HEAD has no body, and Swagger UI is HTML.
      const status = Number(raw.slice(9, 12))
      if (!STATUSES.has(status) && !(status === 204 && method === 'OPTIONS'))
        throw new Error(`${status}: ${raw.slice(0, 500)}`)
      if (!/^x-request-id: [A-Za-z0-9._-]{1,64}\r$/im.test(raw)) throw new Error('no request id')
      if (!/^x-content-type-options: nosniff\r$/im.test(raw)) throw new Error('no nosniff')
    }),
    RUNS,
  )
  t.notOk(
    logs.some(({ level }) => Number(level) >= 50),
    'no error in the log',
  )
})

t.test(
  'answers any response body of CDF with a complete job or with a problem other than 500',
  async (t) => {
    const { port, simulator, logs } = await startService(t, {
      environment: { RATE_LIMIT_PER_MINUTE: '0', JOB_STATUS_FRESH_MS: '0' },
    })
    const members = fc.record(
      {
        jobId: fc.oneof(fc.constant(JOB_ID), fc.anything()),
        status: fc.oneof(
          fc.constantFrom('Queued', 'Running', 'Completed', 'Failed', 'Timeout'),
          fc.anything(),
        ),
        createdTime: fc.anything(),
        startTime: fc.oneof(fc.integer(), fc.double()),
        statusTime: fc.anything(),
        advancedJoinExternalId: fc.anything(),
        matcher: fc.oneof(fc.record({ type: fc.anything(), dbName: fc.anything() }), fc.object()),
        errorMessage: fc.oneof(anyText, fc.anything()),
        qualityScorePercent: fc.oneof(fc.double(), fc.anything()),
        confidencePercent: fc.anything(),
        ['__proto__']: fc.anything(),
      },
      { requiredKeys: [] },
    )
    const body = fc.oneof(
      members.map((members) => toJson(members)),
      fc.json(),
      anyText,
    )
    let number = 0
    await fc.assert(
      fc.asyncProperty(
        body,
        fc.constantFrom(200, 200, 200, 400, 403, 404, 500),
        async (body, status) => {
          number += 1
          simulator.cdf.faults.next({ status, body })
          const raw = await sendRaw(
            port,
            `GET /jobs/${number}/quality HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
          )
          simulator.cdf.faults.clear()
          const answer = parseRaw(raw)
          // Correct on a machine that is too slow for the tests.
          if (answer.body.code === 'overloaded') return
          if (![200, 404, 502].includes(answer.status))
            throw new Error(`${answer.status} for ${body}`)
          if (answer.status !== 200) return
          if (Object.keys(answer.body).length !== 10)
            throw new Error(`missing keys: ${JSON.stringify(answer.body)}`)
        },
      ),
      RUNS,
    )
    t.equal(({} as Record<string, unknown>).polluted, undefined)
    t.notOk(
      logs.some(({ level }) => Number(level) >= 50),
      'no error in the log',
    )
  },
)

/** Serializes any value; values that JSON cannot represent become null or a number. */
function toJson(value: unknown): string {
  return (
    JSON.stringify(value, (_key, member: unknown) =>
      typeof member === 'bigint' ? Number(member) : member,
    ) ?? 'null'
  )
}
