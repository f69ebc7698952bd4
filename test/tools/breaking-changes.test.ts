import { execFile } from 'node:child_process'
import { cp, symlink, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { stringify } from 'yaml'
import { PROBLEM_CODES } from '../../src/problems/problem-types.ts'
import type { ComparedContract } from '../../tools/openapi/breaking-changes.ts'
import { breakingChanges, mayBreak } from '../../tools/openapi/breaking-changes.ts'
import { resolveReferences } from '../../tools/openapi/resolve-references.ts'
import { contract } from '../support/contract.ts'

/** An edit: the keys of a part of the contract, and its new value; `undefined` removes it. */
type Edit = [keys: string[], value: unknown]

function edited(...edits: Edit[]): Record<string, unknown> {
  const copy = structuredClone(contract)
  for (const [keys, value] of edits) {
    const parent = keys.slice(0, -1).reduce((at, key) => at[key], copy)
    const key = keys.at(-1) ?? ''
    if (Array.isArray(parent) && value === undefined) parent.splice(Number(key), 1)
    else if (value === undefined) delete parent[key]
    else parent[key] = value
  }
  return copy
}

const resolved = (document: object) => resolveReferences(document, document) as ComparedContract
const changesAfter = (...edits: Edit[]) =>
  breakingChanges(resolved(contract), resolved(edited(...edits)))

const job = (...keys: string[]) => ['components', 'schemas', 'JobQuality', ...keys]
const parameter = (...keys: string[]) => ['components', 'parameters', ...keys]
const operation = (...keys: string[]) => ['paths', '/jobs/{jobId}/quality', 'get', ...keys]
const requiredParameter = { name: 'project', in: 'query', required: true, schema: {} }

const BREAKING: [name: string, edits: Edit[], change: string][] = [
  ['a removed route', [[['paths', '/jobs/quality'], undefined]], 'GET /jobs/quality: is gone'],
  [
    'another name of an operation',
    [[operation('operationId'), 'readJob']],
    'GET /jobs/{jobId}/quality: has another operationId',
  ],
  [
    'a removed member',
    [
      [job('properties', 'createdAt'), undefined],
      [job('required', '7'), undefined],
    ],
    'GET /jobs/{jobId}/quality: 200: body.createdAt: is gone',
  ],
  [
    'a removed member that was optional',
    [[['components', 'schemas', 'Problem', 'properties', 'upstream'], undefined]],
    'GET /jobs/{jobId}/quality: 404: body.upstream: is gone',
  ],
  [
    'a member that is not always present',
    [[job('required', '7'), undefined]],
    'GET /jobs/{jobId}/quality: 200: body.createdAt: no longer always present',
  ],
  [
    'another type of a member',
    [[job('properties', 'done', 'type'), 'string']],
    'GET /jobs/{jobId}/quality: 200: body.done: type has changed',
  ],
  [
    'a narrowed type of a member',
    [[job('properties', 'scores', 'anyOf', '1'), undefined]],
    'GET /jobs/{jobId}/quality: 200: body.scores: anyOf has changed',
  ],
  [
    'a closed set',
    [[job('properties', 'status'), { enum: ['Completed'] }]],
    'GET /jobs/{jobId}/quality: 200: body.status: anyOf has changed',
  ],
  [
    'a removed value of an open set',
    [[['components', 'schemas', 'JobStatus', 'enum', '1'], undefined]],
    'GET /jobs/{jobId}/quality: 200: body.status: the value Running is gone',
  ],
  [
    'a greater value',
    [
      [
        [
          'components',
          'schemas',
          'JobScores',
          'properties',
          'qualityPercent',
          'anyOf',
          '0',
          'maximum',
        ],
        1000,
      ],
    ],
    'GET /jobs/{jobId}/quality: 200: body.scores.qualityPercent: maximum has changed',
  ],
  [
    'another type in an event',
    [[['components', 'schemas', 'JobProblem', 'properties', 'title', 'type'], 'number']],
    'GET /jobs/{jobId}/quality/events: 200: body (contentSchema).data (contentSchema).title: type has changed',
  ],
  [
    'a removed success',
    [[operation('responses', '304'), undefined]],
    'GET /jobs/{jobId}/quality: 304: is gone',
  ],
  [
    'another success',
    [[operation('responses', '202'), { description: 'Later.' }]],
    'GET /jobs/{jobId}/quality: 202: is new',
  ],
  [
    'another content type',
    [
      [operation('responses', '200', 'content', 'application/json'), undefined],
      [operation('responses', '200', 'content', 'application/cbor'), { schema: {} }],
    ],
    'GET /jobs/{jobId}/quality: 200: application/json: is gone',
  ],
  [
    'a removed response header',
    [[operation('responses', '200', 'headers', 'etag'), undefined]],
    'GET /jobs/{jobId}/quality: 200: etag: is gone',
  ],
  [
    'a response header that is not always present',
    [[['components', 'headers', 'etag', 'required'], false]],
    'GET /jobs/{jobId}/quality: 200: etag: no longer always present',
  ],
  [
    'a new required parameter',
    [[operation('parameters', '5'), requiredParameter]],
    'GET /jobs/{jobId}/quality: project: is required',
  ],
  [
    'an optional parameter that becomes required',
    [[parameter('header.prefer', 'required'), true]],
    'GET /jobs/{jobId}/quality: prefer: is required',
  ],
  [
    'a removed parameter',
    [[operation('parameters', '2'), undefined]],
    'GET /jobs/{jobId}/quality: prefer: is gone',
  ],
  [
    'a parameter that allows less',
    [[parameter('query.jobId', 'schema', 'maxItems'), 50]],
    'GET /jobs/quality: jobId: maxItems has changed',
  ],
  [
    'another pattern of a parameter',
    [[parameter('path.jobId', 'schema', 'pattern'), '^[0-9]+$']],
    'GET /jobs/{jobId}/quality: jobId: pattern has changed',
  ],
  [
    'a removed authentication',
    [[['security', '0'], undefined]],
    'GET /jobs/{jobId}/quality: needs another authentication',
  ],
  [
    'a new authentication',
    [[['paths', '/health/live', 'get', 'security'], undefined]],
    'GET /health/live: needs another authentication',
  ],
]
for (const [name, edits, change] of BREAKING) {
  t.test(`finds ${name}`, async (t) => {
    const changes = changesAfter(...edits)
    t.ok(changes.includes(change), change, { changes })
  })
}

t.test('lets additions and other texts pass', async (t) => {
  const additions: Edit[] = [
    [['paths', '/v2/jobs'], { get: { operationId: 'listJobs', responses: {} } }],
    [job('properties', 'priority'), { type: 'integer' }],
    [job('required', '10'), 'priority'],
    [['components', 'schemas', 'JobStatus', 'enum', '5'], 'Paused'],
    [['components', 'schemas', 'ProblemCode', 'enum', `${PROBLEM_CODES.length}`], 'job-paused'],
    [operation('parameters', '5'), { ...requiredParameter, required: false }],
    [parameter('query.jobId', 'schema', 'maxItems'), 200],
    [operation('responses', '200', 'headers', 'deprecation'), { schema: { type: 'string' } }],
    [operation('responses', '410'), { description: 'Gone.' }],
    [operation('description'), 'Another text.'],
    [operation('deprecated'), true],
    [['security', '2'], { mutualTls: [] }],
    [['components', 'schemas', 'JobScores', 'description'], 'Another text.'],
  ]
  for (const addition of additions) t.strictSame(changesAfter(addition), [], String(addition[0]))
  t.strictSame(changesAfter(...additions), [])
})

t.test(
  'allows a breaking change with a new major version, before 1.0.0 with a minor',
  async (t) => {
    const versions: [released: string, current: string, mayBreak: boolean][] = [
      ['0.1.0', '0.1.0', false],
      ['0.1.0', '0.1.1', false],
      ['0.1.0', '0.2.0-dev', true],
      ['0.9.0', '1.0.0', true],
      ['1.2.3', '1.3.0', false],
      ['1.2.3', '2.0.0-dev.0', true],
      ['1.2.3', '0.9.0', false],
    ]
    for (const [released, current, expected] of versions)
      t.equal(mayBreak(released, current), expected, `${released} → ${current}`)
  },
)

t.test('the check fails on a breaking change, but not with a new version', async (t) => {
  const root = resolve(import.meta.dirname, '../..')
  const folder = t.testdir({})
  await cp(join(root, 'tools/openapi'), join(folder, 'tools/openapi'), { recursive: true })
  await cp(join(root, 'package.json'), join(folder, 'package.json'))
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
  const check = async (...edits: Edit[]) => {
    await writeFile(join(folder, 'openapi.yaml'), stringify(edited(...edits)))
    const program = join(folder, 'tools/openapi/check-released.ts')
    return promisify(execFile)(process.execPath, [program], { env: {} })
  }
  const removal: Edit = [['paths', '/jobs/quality'], undefined]
  await check()
  await t.rejects(check(removal), { code: 1, stderr: /GET \/jobs\/quality: is gone/ })
  await check(removal, [['info', 'version'], '99.0.0'])
})
