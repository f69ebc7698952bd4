import t from 'tap'
import { type CdfJob, parseCdfJob } from '../../src/cdf/cdf-job.ts'
import { type JobId, parseJobId } from '../../src/cdf/job-id.ts'
import { formatStoredJob, MAX_STORED_BYTES, parseStoredJob } from '../../src/redis/stored-job.ts'
import { fixtureText, JOB_ID } from '../support/fixtures.ts'

const ID = parseJobId(JOB_ID) as JobId
const NOW_MS = 1_764_000_000_000
const job = { ...(parseCdfJob(fixtureText('estimate-running.json')) as CdfJob), jobId: JOB_ID }
const text = `1 ${NOW_MS - 70} 5000\n${JSON.stringify(job)}`

t.test('reads what it has stored', async (t) => {
  const stored = { job, readAtMs: NOW_MS - 70, ageAtReadMs: 5_000 }
  t.equal(formatStoredJob(stored), text)
  t.strictSame(parseStoredJob(ID, text, NOW_MS), { job, ageMs: 70, ageAtReadMs: 5_000 })
})

t.test('stores that CDF has no such job', async (t) => {
  const stored = formatStoredJob({ job: undefined, readAtMs: NOW_MS - 70.9, ageAtReadMs: 0.5 })
  t.equal(stored, `1 ${NOW_MS - 71} 0\n`)
  const expected = { job: undefined, ageMs: 71, ageAtReadMs: 0 }
  t.strictSame(parseStoredJob(ID, `${stored}`, NOW_MS), expected)
})

t.test('does not store a job that is too long', async (t) => {
  const long = { ...job, errorMessage: 'é'.repeat(MAX_STORED_BYTES / 2) }
  t.equal(formatStoredJob({ job: long, readAtMs: NOW_MS, ageAtReadMs: 0 }), undefined)
})

t.test('ignores what it has not stored', async (t) => {
  const head = `1 ${NOW_MS} 0\n`
  const other = JSON.stringify({ ...job, jobId: JOB_ID.replace('0', '1') })
  for (const [name, value] of [
    ['nothing', ''],
    ['garbage', '\u0000\ufffd{]'],
    ['JSON without the first line', JSON.stringify(job)],
    ['another version', text.replace('1 ', '2 ')],
    ['a time in the future', `1 ${NOW_MS + 1} 0\n${JSON.stringify(job)}`],
    ['a negative time', `1 -5 0\n${JSON.stringify(job)}`],
    ['a negative age', `1 ${NOW_MS} -5\n${JSON.stringify(job)}`],
    ['numbers that are too long', `1 ${'9'.repeat(400)} 0\n${JSON.stringify(job)}`],
    ['half of a job', text.slice(0, -10)],
    ['no object', `${head}[]`],
    ['an object that is no job', `${head}{"jobId":7,"status":"Running"}`],
    ['a job without a status', `${head}{"jobId":"${JOB_ID}"}`],
    ['another job', `${head}${other}`],
    ['too many bytes', text + ' '.repeat(MAX_STORED_BYTES)],
  ] as const)
    t.equal(parseStoredJob(ID, value, NOW_MS), undefined, name)
})
