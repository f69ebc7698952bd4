import t from 'tap'
import { Compile } from 'typebox/schema'
import { type CdfJob, parseCdfJob } from '../../src/cdf/cdf-job.ts'
import { type JobId, parseJobId } from '../../src/cdf/job-id.ts'
import type { JobQuality } from '../../src/jobs/job-quality.ts'
import { lacksScores, normalizeJob } from '../../src/jobs/normalize-job.ts'
import { JOB_QUALITY_SCHEMA } from '../../tools/openapi/schemas/job-quality.ts'
import { FIXTURES, fixtureText, JOB_ID } from '../support/fixtures.ts'

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
  'estimate-completed-renamed-score.json': [completed, ['qualityScorePercent']],
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
    if (!parsed) return t.fail(`${file} is not a job`)
    const { quality, deviations } = normalizeJob(jobId, parsed)
    t.strictSame(quality, expected[0])
    t.strictSame(deviations, expected[1])
    t.ok(schema.Check(quality), 'matches the schema')
  })
}

const rules: [
  name: string,
  members: Partial<Record<keyof CdfJob, unknown>>,
  expected: Partial<JobQuality>,
  deviations: string[],
][] = [
  [
    'maps the status Distributing to Running',
    { status: 'Distributing' },
    { status: 'Running', done: false, scores: null },
    ['status'],
  ],
  [
    'maps the status Distributed to Running',
    { status: 'Distributed' },
    { status: 'Running', done: false, scores: null },
    ['status'],
  ],
  [
    'maps the status Collecting to Running',
    { status: 'Collecting' },
    { status: 'Running', done: false, scores: null },
    ['status'],
  ],
  [
    'maps the status Timeout to Failed',
    { status: 'Timeout', errorMessage: 'too slow' },
    { status: 'Failed', done: true, scores: null, errorMessage: 'too slow' },
    ['status'],
  ],
  [
    'maps any other status to Unknown, which is not done',
    { status: 'Paused' },
    { status: 'Unknown', done: false, scores: null },
    ['status'],
  ],
  [
    'reports the status Unknown as a deviation',
    { status: 'Unknown' },
    { status: 'Unknown', done: false, scores: null },
    ['status'],
  ],
  [
    'compares the status case-sensitively',
    { status: 'completed' },
    { status: 'Unknown', done: false },
    ['status'],
  ],
  [
    'maps the status constructor to Unknown',
    { status: 'constructor' },
    { status: 'Unknown' },
    ['status'],
  ],
  ['returns the requested job id', { jobId: JOB_ID.toUpperCase() }, { jobId: JOB_ID }, []],
  ['returns scores only for a Completed job', { status: 'Running' }, { scores: null }, []],
  [
    'returns an error message only for a Failed job',
    { errorMessage: 'left over' },
    { errorMessage: null },
    [],
  ],
  ['returns no start time for a Queued job', { status: 'Queued' }, { startedAt: null }, []],
  [
    'accepts the score 0',
    { qualityScorePercent: 0 },
    { scores: { qualityPercent: 0, confidencePercent: 62.31, contextualizationPercent: 71.04 } },
    [],
  ],
  [
    'drops a score greater than 100',
    { confidencePercent: 100.1 },
    { scores: { qualityPercent: 87.5, confidencePercent: null, contextualizationPercent: 71.04 } },
    ['confidencePercent'],
  ],
  [
    'drops a negative score',
    { confidencePercent: -0.1 },
    { scores: { qualityPercent: 87.5, confidencePercent: null, contextualizationPercent: 71.04 } },
    ['confidencePercent'],
  ],
  [
    'drops a score that is a string',
    { confidencePercent: '50' },
    { scores: { qualityPercent: 87.5, confidencePercent: null, contextualizationPercent: 71.04 } },
    ['confidencePercent'],
  ],
  [
    'drops a score that is not finite',
    { confidencePercent: Number.POSITIVE_INFINITY },
    { scores: { qualityPercent: 87.5, confidencePercent: null, contextualizationPercent: 71.04 } },
    ['confidencePercent'],
  ],
  [
    'prefers qualityScorePercent to estimatedCorrectnessScorePercent',
    { estimatedCorrectnessScorePercent: 1 },
    { scores: { qualityPercent: 87.5, confidencePercent: 62.31, contextualizationPercent: 71.04 } },
    [],
  ],
  [
    'reads estimatedCorrectnessScorePercent if qualityScorePercent is null',
    { qualityScorePercent: null, estimatedCorrectnessScorePercent: 91 },
    { scores: { qualityPercent: 91, confidencePercent: 62.31, contextualizationPercent: 71.04 } },
    ['qualityScorePercent'],
  ],
  [
    'does not read estimatedCorrectnessScorePercent if qualityScorePercent is invalid',
    { qualityScorePercent: 101, estimatedCorrectnessScorePercent: 91 },
    { scores: { qualityPercent: null, confidencePercent: 62.31, contextualizationPercent: 71.04 } },
    ['qualityScorePercent'],
  ],
  [
    'removes control characters from an error message',
    { status: 'Failed', errorMessage: 'a\u0000b\nc\u001b[31md\u0085e\u007ff' },
    { errorMessage: 'abc[31mdef' },
    [],
  ],
  [
    'truncates an error message to 1,000 characters',
    { status: 'Failed', errorMessage: 'x'.repeat(1500) },
    { errorMessage: 'x'.repeat(1000) },
    [],
  ],
  [
    'does not split a surrogate pair when truncating',
    { status: 'Failed', errorMessage: '😀'.repeat(1500) },
    { errorMessage: '😀'.repeat(1000) },
    [],
  ],
  [
    'replaces a lone surrogate',
    { status: 'Failed', errorMessage: 'a\ud800b' },
    { errorMessage: 'a\ufffdb' },
    [],
  ],
  [
    'returns null for an empty error message',
    { status: 'Failed', errorMessage: '\n' },
    { errorMessage: null },
    [],
  ],
  [
    'drops an error message that is not a string',
    { status: 'Failed', errorMessage: { text: 'x' } },
    { errorMessage: null },
    ['errorMessage'],
  ],
  [
    'drops a time that is a string',
    { createdTime: '2026-01-07' },
    { createdAt: null },
    ['createdTime'],
  ],
  ['drops a negative time', { statusTime: -1 }, { statusChangedAt: null }, ['statusTime']],
  [
    'drops a time that is not an integer',
    { statusTime: 1.5 },
    { statusChangedAt: null },
    ['statusTime'],
  ],
  [
    'drops a time after the year 9999',
    { startTime: 253402300800000 },
    { startedAt: null },
    ['startTime'],
  ],
  [
    'accepts the last millisecond of the year 9999',
    { startTime: 253402300799999 },
    { startedAt: '9999-12-31T23:59:59.999Z' },
    [],
  ],
  [
    'returns null for a missing time',
    { createdTime: undefined },
    { createdAt: null },
    ['createdTime'],
  ],
  [
    'returns null for a missing advanced join',
    { advancedJoinExternalId: undefined },
    { advancedJoinExternalId: null },
    ['advancedJoinExternalId'],
  ],
  [
    'drops an external id of more than 255 characters',
    { advancedJoinExternalId: 'x'.repeat(256) },
    { advancedJoinExternalId: null },
    ['advancedJoinExternalId'],
  ],
  ['returns null for a missing matcher', { matcher: undefined }, { matcher: null }, ['matcher']],
  ['drops a matcher that is not an object', { matcher: ['raw'] }, { matcher: null }, ['matcher']],
  ['drops a matcher without type', { matcher: { dbName: 'x' } }, { matcher: null }, ['matcher']],
  [
    'returns exactly five keys for a raw matcher',
    { matcher: { ...matcher, dbName: 7, extra: 'x' } },
    { matcher: { ...matcher, dbName: null } },
    ['matcher'],
  ],
  [
    'returns the string members of any other matcher',
    { matcher: { type: 'regex', pattern: 'x', limit: 3, nested: {} } },
    { matcher: { type: 'regex', pattern: 'x' } },
    ['matcher'],
  ],
  [
    'drops the member __proto__ of a matcher',
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
    t.ok(schema.Check(normalized.quality), 'matches the schema')
    t.strictSame(Object.keys(normalized.quality), Object.keys(completed), 'all keys in order')
  })
}

t.test('returns equal results for equal jobs and does not modify the job', async (t) => {
  const input = job({})
  const before = JSON.stringify(input)
  t.equal(JSON.stringify(normalizeJob(jobId, input)), JSON.stringify(normalizeJob(jobId, input)))
  t.equal(JSON.stringify(input), before)
})

t.test('detects a Completed job without any score', async (t) => {
  t.equal(lacksScores({ ...completed, scores: noScores }), true)
  t.equal(lacksScores({ ...completed, scores: { ...noScores, confidencePercent: 0 } }), false)
  t.equal(lacksScores(running), false)
})
