import t from 'tap'
import { lasting } from '../../simulator/upstream/simulated-job.ts'
import { JOB_ID } from '../support/fixtures.ts'
import { startService } from '../support/start-service.ts'

t.test('logs an unknown status of CDF without control and format characters', async (t) => {
  const { quality, simulator, logs } = await startService(t)
  const status = `Pau\u202esed\r\n\u001b[31m\u200b${'x'.repeat(1_000_000 / 2)}`
  simulator.cdf.addJob(lasting(JOB_ID, status))
  t.match(await quality(), { status: 200, body: { status: 'Unknown' } })
  const values = logs.filter(({ field }) => field === 'status').map(({ value }) => String(value))
  t.match(values, [/^Paused\[31mx+$/])
  t.ok((values[0]?.length ?? 0) <= 100)
})

t.test('serves a job whose members are 20,000 nested arrays', async (t) => {
  const { quality, simulator, logs } = await startService(t)
  const nested = `${'['.repeat(20_000)}${']'.repeat(20_000)}`
  const members = ['errorMessage', 'matcher', 'advancedJoinExternalId', 'createdTime']
  const json = members.map((name) => `"${name}":${nested}`).join()
  simulator.cdf.faults.next({
    status: 200,
    body: `{"jobId":"${JOB_ID}","status":"Failed",${json}}`,
  })
  t.match(await quality(), {
    status: 200,
    body: { status: 'Failed', errorMessage: null, matcher: null, createdAt: null },
  })
  t.notOk(logs.some(({ level }) => Number(level) >= 50))
})
