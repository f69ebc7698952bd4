import t from 'tap'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import { startSimulator } from '../../simulator/upstream/start-simulator.ts'
import { JOB_ID } from '../support/fixtures.ts'
import { request } from '../support/request.ts'
import { startInstance } from '../support/start-service.ts'

const CAPITALS = JOB_ID.toUpperCase()

for (const added of [JOB_ID, CAPITALS]) {
  t.test(`a job that was added as ${added} can be read in any case`, async (t) => {
    const simulator = await startSimulator()
    t.teardown(() => simulator.close())
    simulator.cdf.addJob(lasting(added, 'Completed', SCORES))
    const { IDP_TOKEN_URL = '', IDP_CLIENT_ID = '', IDP_CLIENT_SECRET = '' } = simulator.environment
    const { body } = await request(IDP_TOKEN_URL, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: IDP_CLIENT_ID,
        client_secret: IDP_CLIENT_SECRET,
      }),
    })
    const headers = {
      authorization: `Bearer ${(body as { access_token: string }).access_token}`,
      'cdf-version': 'alpha',
    }
    const path = '/api/v1/projects/demo-project/advancedjoins/estimatequality'
    for (const id of [JOB_ID, CAPITALS])
      t.match(await request(`${simulator.url}${path}/${id}`, { headers }), {
        status: 200,
        body: { jobId: added, status: 'Completed' },
      })
    t.equal(simulator.cdf.readsOf(CAPITALS), 2)
    t.equal(simulator.cdf.readsOf(JOB_ID), 2)

    const { get, quality } = await startInstance(t, simulator)
    for (const id of [JOB_ID, CAPITALS]) {
      t.match(await quality(id), { status: 200, body: { jobId: JOB_ID, status: 'Completed' } })
      t.match((await get(`/jobs/quality?jobId=${id}`)).body, {
        items: [{ jobId: JOB_ID, quality: { status: 'Completed' }, problem: null }],
      })
      t.match((await get(`/jobs/${id}/quality/events`)).text, `"jobId":"${JOB_ID}"`)
    }
    t.equal(simulator.cdf.readsOf(JOB_ID), 3, 'the service reads the job once')
  })
}
