import { readFile } from 'node:fs/promises'
import t from 'tap'
import { Compile } from 'typebox/compile'
import { parse } from 'yaml'
import { JOB_QUALITY_EXAMPLES } from '../routes/jobs/quality-examples.ts'
import { JOB_STATUSES, JobQualitySchema } from '../src/jobs/job-quality.ts'
import type { ProblemCode } from '../src/problem.ts'
import { PROBLEMS, ProblemSchema } from '../src/problem.ts'
import { generateOpenApi } from '../src/write-openapi.ts'

interface Operation {
  operationId: string
  summary: string
  tags: string[]
  responses: Record<
    string,
    {
      description: string
      headers?: object
      content?: Record<
        string,
        { schema?: { $ref?: string }; examples?: Record<string, { value: unknown }> }
      >
    }
  >
}

const text = await readFile(new URL('../openapi.yaml', import.meta.url), 'utf8')
const contract = parse(text) as {
  openapi: string
  paths: Record<string, Record<string, Operation>>
  tags: { name: string }[]
}
const operations = Object.entries(contract.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
)

const jobQuality = operations.find(({ path }) => path === '/jobs/{jobId}/quality')
  ?.operation as Operation

t.test('openapi.yaml is what the routes make (else: npm run openapi)', async (t) => {
  t.equal(text, await generateOpenApi())
})

t.test('is OpenAPI 3.1 and holds every public route', async (t) => {
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

t.test('names and describes each operation', async (t) => {
  const ids = operations.map(({ operation }) => operation.operationId)
  t.equal(new Set(ids).size, ids.length)
  for (const { operation } of operations) {
    t.ok(operation.operationId)
    t.ok(operation.summary)
    t.ok(operation.tags.every((tag) => contract.tags.some(({ name }) => name === tag)))
    for (const { description } of Object.values(operation.responses))
      t.not(description, 'Default Response')
  }
})

t.test(
  'describes every problem of a job with its schema and an example of its status',
  async (t) => {
    const problem = Compile(ProblemSchema)
    const { responses } = jobQuality
    const described = new Set<string>()
    for (const [status, response] of Object.entries(responses)) {
      if (Number(status) < 400) continue
      const media = response.content?.['application/problem+json']
      t.equal(media?.schema?.$ref, '#/components/schemas/Problem')
      for (const [code, { value }] of Object.entries(media?.examples ?? {})) {
        t.ok(problem.Check(value), code)
        t.match(value, { code, status: Number(status) })
        t.equal(PROBLEMS[code as ProblemCode].status, Number(status))
        described.add(code)
      }
    }
    const elsewhere = ['not-found']
    t.strictSame([...described, ...elsewhere].sort(), Object.keys(PROBLEMS).sort())
  },
)

t.test('shows an example of each state of a job, as the schema has it', async (t) => {
  const quality = Compile(JobQualitySchema)
  const { responses } = jobQuality
  const examples = responses['200']?.content?.['application/json']?.examples ?? {}
  t.strictSame(examples, JOB_QUALITY_EXAMPLES)
  for (const [name, { value }] of Object.entries(examples)) t.ok(quality.Check(value), name)
  const shown = new Set(Object.values(JOB_QUALITY_EXAMPLES).map(({ value }) => value.status))
  t.strictSame([...shown].sort(), [...JOB_STATUSES].sort())
  t.ok(responses['200']?.headers)
  t.ok(responses['304']?.headers)
})
