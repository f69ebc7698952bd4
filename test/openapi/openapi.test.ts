import t from 'tap'
import { Compile } from 'typebox/schema'
import { parse } from 'yaml'
import { DEMO_JOBS, UNKNOWN_JOB_ID } from '../../simulator/demo/jobs.ts'
import type { JobQuality } from '../../src/jobs/job-quality.ts'
import { PROBLEM_CODES, PROBLEM_TYPES, type ProblemCode } from '../../src/problems/problem-types.ts'
import { JOB_QUALITY_EXAMPLES } from '../../tools/openapi/operations/job-examples.ts'
import { JOB_QUALITY_SCHEMA } from '../../tools/openapi/schemas/job-quality.ts'
import { generateOpenApi } from '../../tools/openapi/write-openapi.ts'
import {
  assertValid,
  assertValidEvents,
  closed,
  contract,
  contractText,
  operationOf,
  operations,
} from '../support/contract.ts'
import { startService } from '../support/start-service.ts'

const completed = operationOf('getJobQuality').responses[200]?.content?.['application/json']
  ?.examples?.completed?.value as JobQuality

t.test('openapi.yaml is up to date with the routes (else: npm run openapi)', async (t) => {
  t.equal(contractText, await generateOpenApi())
})

t.test('is equal when parsed as YAML 1.1 and when served as JSON', async (t) => {
  t.strictSame(parse(contractText, { version: '1.1' }), contract)
  const { get } = await startService(t)
  t.strictSame((await get('/openapi.json')).body, contract)
})

t.test('is OpenAPI 3.1 and contains every public route', async (t) => {
  t.match(contract.openapi, /^3\.1\.\d$/)
  t.strictSame(operations.map(({ method, path }) => `${method} ${path}`).sort(), [
    'get /health/live',
    'get /health/ready',
    'get /jobs/quality',
    'get /jobs/quality/events',
    'get /jobs/{jobId}/quality',
    'get /jobs/{jobId}/quality/events',
    'get /openapi.json',
    'get /openapi.yaml',
    'get /problems/{slug}',
  ])
})

t.test('names and describes each operation and its parameters', async (t) => {
  const ids = operations.map(({ operationId }) => operationId)
  t.equal(new Set(ids).size, ids.length)
  const tags = contract.tags.map(({ name }: { name: string }) => name)
  for (const { operationId, summary, description, parameters = [], ...operation } of operations) {
    t.ok(operationId && summary && description)
    t.ok(operation.tags.every((tag) => tags.includes(tag)))
    for (const { description } of Object.values(operation.responses))
      t.not(description, 'Default Response')
    for (const { name, description, required, schema, example } of parameters) {
      t.ok(description, name)
      // Swagger UI would send the `example` of an optional parameter.
      const shown = required ? example : schema.examples?.[0]
      if (!required) t.equal(example, undefined, name)
      assertValid(t, schema, shown, `${operationId}: the example of ${name}`)
    }
  }
})

t.test('requires an access token for the operations on jobs only', async (t) => {
  t.strictSame(contract.security, [{ bearer: [] }, { oauth: [] }])
  for (const { path, security } of operations)
    t.strictSame(security, path.startsWith('/jobs/') ? undefined : [], path)
})

t.test('contains only examples that match their schemas', async (t) => {
  let examples = 0
  for (const { operationId, responses } of operations) {
    for (const { headers, content } of Object.values(responses)) {
      for (const [name, { schema, example }] of Object.entries(headers ?? {}))
        assertValid(t, schema, example, name)
      for (const [type, medium] of Object.entries(content ?? {})) {
        for (const [name, { value }] of Object.entries(medium.examples ?? {})) {
          examples += 1
          if (type === 'text/event-stream') assertValidEvents(t, medium.schema, String(value))
          else assertValid(t, medium.schema, value, `${operationId}: ${name}`)
        }
      }
    }
  }
  t.ok(examples > 50, `${examples} examples`)
})

t.test('describes every problem with the schema and an example with its status', async (t) => {
  const described = new Set<string>()
  for (const { responses } of operations) {
    for (const [status, { content }] of Object.entries(responses)) {
      if (Number(status) < 400) continue
      const { schema, examples = {} } = content?.['application/problem+json'] ?? {}
      t.match(schema, { title: 'Problem' })
      for (const [code, { value }] of Object.entries(examples)) {
        t.match(value, { code, status: Number(status) })
        t.equal(PROBLEM_TYPES[code as ProblemCode].status, Number(status))
        described.add(code)
      }
    }
  }
  t.strictSame([...described].sort(), [...PROBLEM_CODES].sort())
})

t.test('contains an example of each status of a job', async (t) => {
  const { content } = operationOf('getJobQuality').responses[200] ?? {}
  t.strictSame(content?.['application/json']?.examples, JOB_QUALITY_EXAMPLES)
  const shown = new Set(Object.values(JOB_QUALITY_EXAMPLES).map(({ value }) => value.status))
  t.strictSame([...shown].sort(), [...JOB_QUALITY_SCHEMA.properties.status.enum].sort())
})

t.test('lets callers accept what a later version may add, but this version may not', async (t) => {
  const { schema } =
    operationOf('getJobQuality').responses[200]?.content?.['application/json'] ?? {}
  const problem = operationOf('getJobQuality').responses[404]?.content?.['application/problem+json']
  const { value } = problem?.examples?.['job-not-found'] ?? {}
  const later: [name: string, schema: object | undefined, value: object][] = [
    ['a member', schema, { ...completed, priority: 7 }],
    ['a member of a member', schema, { ...completed, scores: { ...completed.scores, f1: 7 } }],
    ['a status', schema, { ...completed, status: 'Paused' }],
    ['a code', problem?.schema, { ...(value as object), code: 'job-paused' }],
  ]
  for (const [name, schema = {}, value] of later) {
    t.ok(Compile(schema).Check(value), name)
    t.notOk(Compile(closed(schema)).Check(value), name)
  }
  const wrong = { ...completed, matcher: { ...completed.matcher, dbName: 7 } }
  t.notOk(Compile(schema ?? {}).Check(wrong), 'a raw matcher is not just another matcher')
  t.notMatch(contractText, 'additionalProperties: false')
})

t.test('has job ids of the demo as examples, so that a first try succeeds', async (t) => {
  const { parameters: path = [] } = operationOf('getJobQuality')
  t.equal(path[0]?.example, DEMO_JOBS[0]?.job.jobId)
  const { parameters: query = [] } = operationOf('listJobQualities')
  t.strictSame(query[0]?.example, [DEMO_JOBS[0]?.job.jobId, UNKNOWN_JOB_ID])
})

t.test('contains no unused component', async (t) => {
  const { securitySchemes: _, ...kinds } = contract.components
  for (const [kind, parts] of Object.entries<object>(kinds)) {
    for (const name of Object.keys(parts))
      t.ok(contractText.includes(`"#/components/${kind}/${name}"`), `${kind}/${name}`)
  }
})
