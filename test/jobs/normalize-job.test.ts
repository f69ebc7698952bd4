import t from 'tap'
import { Compile } from 'typebox/schema'
import type { CdfJob } from '../../src/cdf/cdf-job.ts'
import { parseCdfJob } from '../../src/cdf/cdf-job.ts'
import type { JobId } from '../../src/cdf/job-id.ts'
import { parseJobId } from '../../src/cdf/job-id.ts'
import type { JobQuality } from '../../src/jobs/job-quality.ts'
import { JOB_QUALITY_SCHEMA } from '../../src/jobs/job-quality.ts'
import { lacksScores, normalizeJob } from '../../src/jobs/normalize-job.ts'
import { FIXTURES, fixtureText, JOB_ID } from '../helper.ts'

const jobId = parseJobId(JOB_ID) as JobId
const schema = Compile(JOB_QUALITY_SCHEMA)
const job = (members: Partial<Record<keyof CdfJob, unknown>>): CdfJob =>
  ({ ...JSON.parse(fixtureText('estimate-completed.json')), ...members }) as CdfJob

const matcher = {
  type: 'raw' as const,
  dbName: 'contextualization',
  tableName: 'pump_area_matches',
  fromColumnKey: 'pumpExternalId',
  toColumnKey: 'areaExternalId',
}
const completed: JobQuality = {
  jobId: JOB_ID,
  status: 'Completed',
  done: true,
  advancedJoinExternalId: 'pump-to-area-direct',
  matcher,
  scores: { qualityPercent: 87.5, confidencePercent: 62.31, contextualizationPercent: 71.04 },
  errorMessage: null,
  createdAt: '2026-01-07T10:00:00.000Z',
  startedAt: '2026-01-07T10:00:04.210Z',
  statusChangedAt: '2026-01-07T10:01:36.155Z',
}
const noScores = { qualityPercent: null, confidencePercent: null, contextualizationPercent: null }
const running: JobQuality = {
  ...completed,
  status: 'Running',
  done: false,
  scores: null,
  statusChangedAt: '2026-01-07T10:00:04.210Z',
}
const failed: JobQuality = {
  ...completed,
  status: 'Failed',
  scores: null,
  statusChangedAt: '2026-01-07T10:00:09.120Z',
}

const byFixture: Record<string, [quality: JobQuality, deviations: string[]]> = {
  'estimate-queued.json': [
    { ...running, status: 'Queued', startedAt: null, statusChangedAt: '2026-01-07T10:00:00.000Z' },
    [],
  ],
  'estimate-queued-minimal.json': [
    { ...running, status: 'Queued', startedAt: null, statusChangedAt: '2026-01-07T10:00:00.000Z' },
    [],
  ],
  'estimate-running.json': [running, []],
  'estimate-completed.json': [completed, []],
  'estimate-completed-drifted.json': [completed, ['qualityScorePercent']],
  'estimate-completed-boundary.json': [
    {
      ...completed,
      scores: { qualityPercent: 0, confidencePercent: 100, contextualizationPercent: 0 },
      statusChangedAt: '2026-01-07T10:00:05.000Z',
    },
    [],
  ],
  'estimate-completed-no-scores.json': [
    { ...completed, scores: noScores, statusChangedAt: '2026-01-07T10:00:05.000Z' },
    [],
  ],
  'estimate-completed-null-scores.json': [
    { ...completed, scores: noScores, statusChangedAt: '2026-01-07T10:00:05.000Z' },
    ['qualityScorePercent', 'confidencePercent', 'contextualizationScorePercent'],
  ],
  'estimate-completed-extra-fields.json': [
    { ...completed, matcher: { type: 'entityMatching', modelExternalId: 'em-1' } },
    ['matcher'],
  ],
  'estimate-failed.json': [
    {
      ...failed,
      errorMessage: "Could not read Raw table 'pump_area_matches' in database 'contextualization'.",
    },
    [],
  ],
  'estimate-failed-no-message.json': [failed, []],
  'estimate-unknown-status.json': [
    { ...running, statusChangedAt: '2026-01-07T10:00:04.500Z' },
    ['status'],
  ],
}

for (const { file, note } of FIXTURES.filter((fixture) => fixture.file.startsWith('estimate-'))) {
  t.test(`normalizes ${file}: ${note}`, async (t) => {
    const expected = byFixture[file]
    if (!expected) return t.fail(`no expectation for ${file}`)
    const parsed = parseCdfJob(fixtureText(file))
    if (!parsed) return t.fail(`${file} is no job`)
    const { quality, deviations } = normalizeJob(jobId, parsed)
    t.strictSame(quality, expected[0])
    t.strictSame(deviations, expected[1])
    t.ok(schema.Check(quality), 'as promised by the schema')
  })
}

const rules: [
  name: string,
  members: Partial<Record<keyof CdfJob, unknown>>,
  expected: Partial<JobQuality>,
  deviations: string[],
][] = [
  [
    'Distributing is Running',
    { status: 'Distributing' },
    { status: 'Running', done: false, scores: null },
    ['status'],
  ],
  [
    'Distributed is Running',
    { status: 'Distributed' },
    { status: 'Running', done: false, scores: null },
    ['status'],
  ],
  [
    'Collecting is Running',
    { status: 'Collecting' },
    { status: 'Running', done: false, scores: null },
    ['status'],
  ],
  [
    'Timeout is Failed',
    { status: 'Timeout', errorMessage: 'too slow' },
    { status: 'Failed', done: true, scores: null, errorMessage: 'too slow' },
    ['status'],
  ],
  [
    'any other status is Unknown and not done',
    { status: 'Paused' },
    { status: 'Unknown', done: false, scores: null },
    ['status'],
  ],
  [
    'a status Unknown is one that the reference does not know',
    { status: 'Unknown' },
    { status: 'Unknown', done: false, scores: null },
    ['status'],
  ],
  [
    'a status is compared exactly',
    { status: 'completed' },
    { status: 'Unknown', done: false },
    ['status'],
  ],
  [
    'a status that is a member of every object is Unknown',
    { status: 'constructor' },
    { status: 'Unknown' },
    ['status'],
  ],
  ['the id is the one asked for', { jobId: JOB_ID.toUpperCase() }, { jobId: JOB_ID }, []],
  ['only a Completed job has scores', { status: 'Running' }, { scores: null }, []],
  [
    'only a Failed job has an error message',
    { errorMessage: 'left over' },
    { errorMessage: null },
    [],
  ],
  ['a Queued job has not started', { status: 'Queued' }, { startedAt: null }, []],
  [
    '0 is a score',
    { qualityScorePercent: 0 },
    { scores: { qualityPercent: 0, confidencePercent: 62.31, contextualizationPercent: 71.04 } },
    [],
  ],
  [
    'a score over 100 is none',
    { confidencePercent: 100.1 },
    { scores: { qualityPercent: 87.5, confidencePercent: null, contextualizationPercent: 71.04 } },
    ['confidencePercent'],
  ],
  [
    'a negative score is none',
    { confidencePercent: -0.1 },
    { scores: { qualityPercent: 87.5, confidencePercent: null, contextualizationPercent: 71.04 } },
    ['confidencePercent'],
  ],
  [
    'a score as text is none',
    { confidencePercent: '50' },
    { scores: { qualityPercent: 87.5, confidencePercent: null, contextualizationPercent: 71.04 } },
    ['confidencePercent'],
  ],
  [
    'a score that is not finite is none',
    { confidencePercent: Number.POSITIVE_INFINITY },
    { scores: { qualityPercent: 87.5, confidencePercent: null, contextualizationPercent: 71.04 } },
    ['confidencePercent'],
  ],
  [
    'the name of the reference wins over the newer one',
    { estimatedCorrectnessScorePercent: 1 },
    { scores: { qualityPercent: 87.5, confidencePercent: 62.31, contextualizationPercent: 71.04 } },
    [],
  ],
  [
    'a null under the name of the reference is absent',
    { qualityScorePercent: null, estimatedCorrectnessScorePercent: 91 },
    { scores: { qualityPercent: 91, confidencePercent: 62.31, contextualizationPercent: 71.04 } },
    ['qualityScorePercent'],
  ],
  [
    'an invalid score is not replaced by the newer name',
    { qualityScorePercent: 101, estimatedCorrectnessScorePercent: 91 },
    { scores: { qualityPercent: null, confidencePercent: 62.31, contextualizationPercent: 71.04 } },
    ['qualityScorePercent'],
  ],
  [
    'control characters leave an error message',
    { status: 'Failed', errorMessage: 'a\u0000b\nc\u001b[31md\u0085e\u007ff' },
    { errorMessage: 'abc[31mdef' },
    [],
  ],
  [
    'an error message is cut at 1,000 characters',
    { status: 'Failed', errorMessage: 'x'.repeat(1500) },
    { errorMessage: 'x'.repeat(1000) },
    [],
  ],
  [
    'a cut never splits a character',
    { status: 'Failed', errorMessage: '😀'.repeat(1500) },
    { errorMessage: '😀'.repeat(1000) },
    [],
  ],
  [
    'half a character is replaced',
    { status: 'Failed', errorMessage: 'a\ud800b' },
    { errorMessage: 'a\ufffdb' },
    [],
  ],
  [
    'an empty error message is none',
    { status: 'Failed', errorMessage: '\n' },
    { errorMessage: null },
    [],
  ],
  [
    'an error message that is no text is none',
    { status: 'Failed', errorMessage: { text: 'x' } },
    { errorMessage: null },
    ['errorMessage'],
  ],
  ['a time as text is none', { createdTime: '2026-01-07' }, { createdAt: null }, ['createdTime']],
  ['a negative time is none', { statusTime: -1 }, { statusChangedAt: null }, ['statusTime']],
  [
    'a time with a fraction is none',
    { statusTime: 1.5 },
    { statusChangedAt: null },
    ['statusTime'],
  ],
  [
    'a time that RFC 3339 cannot write is none',
    { startTime: 253402300800000 },
    { startedAt: null },
    ['startTime'],
  ],
  [
    'the last instant of RFC 3339',
    { startTime: 253402300799999 },
    { startedAt: '9999-12-31T23:59:59.999Z' },
    [],
  ],
  ['an absent time is null', { createdTime: undefined }, { createdAt: null }, ['createdTime']],
  [
    'an absent advanced join is null',
    { advancedJoinExternalId: undefined },
    { advancedJoinExternalId: null },
    ['advancedJoinExternalId'],
  ],
  [
    'an external id that is longer than CDF allows is null',
    { advancedJoinExternalId: 'x'.repeat(256) },
    { advancedJoinExternalId: null },
    ['advancedJoinExternalId'],
  ],
  ['an absent matcher is null', { matcher: undefined }, { matcher: null }, ['matcher']],
  ['a matcher that is no object is null', { matcher: ['raw'] }, { matcher: null }, ['matcher']],
  ['a matcher without type is null', { matcher: { dbName: 'x' } }, { matcher: null }, ['matcher']],
  [
    'a raw matcher has its five keys and no other',
    { matcher: { ...matcher, dbName: 7, extra: 'x' } },
    { matcher: { ...matcher, dbName: null } },
    ['matcher'],
  ],
  [
    'another matcher keeps its string members',
    { matcher: { type: 'regex', pattern: 'x', limit: 3, nested: {} } },
    { matcher: { type: 'regex', pattern: 'x' } },
    ['matcher'],
  ],
  [
    'a matcher cannot reach a prototype',
    { matcher: JSON.parse('{"type":"regex","__proto__":"x"}') },
    { matcher: { type: 'regex' } },
    ['matcher'],
  ],
]

for (const [name, members, expected, deviations] of rules) {
  t.test(name, async (t) => {
    const normalized = normalizeJob(jobId, job(members))
    t.strictSame({ ...normalized.quality, ...expected }, normalized.quality)
    t.strictSame(normalized.deviations, deviations)
    t.ok(schema.Check(normalized.quality), 'as promised by the schema')
    t.strictSame(Object.keys(normalized.quality), Object.keys(completed), 'every key, in order')
  })
}

t.test('is pure: the same job, byte for byte', async (t) => {
  const input = job({})
  const before = JSON.stringify(input)
  t.equal(JSON.stringify(normalizeJob(jobId, input)), JSON.stringify(normalizeJob(jobId, input)))
  t.equal(JSON.stringify(input), before)
})

t.test('knows a Completed job without any score', async (t) => {
  t.equal(lacksScores({ ...completed, scores: noScores }), true)
  t.equal(lacksScores({ ...completed, scores: { ...noScores, confidencePercent: 0 } }), false)
  t.equal(lacksScores(running), false)
})
