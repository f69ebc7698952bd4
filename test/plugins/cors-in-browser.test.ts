import t from 'tap'
import { lasting } from '../../simulator/upstream/simulated-job.ts'
import { openBrowser, skipWithoutBrowser } from '../support/browser.ts'
import { JOB_ID } from '../support/fixtures.ts'
import { startServer } from '../support/local-server.ts'
import { startService } from '../support/start-service.ts'

const options = { skip: skipWithoutBrowser, timeout: 60_000 }

t.test(
  'a page of an allowed origin sends the allowed headers, and no others',
  options,
  async (t) => {
    const origin = await startServer(t, (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<title>A front end</title>')
    })
    const { url, simulator } = await startService(t, {
      environment: { CORS_ORIGINS: origin, CORS_ALLOW_HEADERS: 'X-Client-Version' },
    })
    simulator.cdf.addJob(lasting(JOB_ID, 'Failed'))
    const { page } = await openBrowser(t)
    await page.goto(origin)
    const get = (headers: Record<string, string>) =>
      page.evaluate(
        ([address, sent]) =>
          fetch(address, { headers: sent }).then(
            ({ status, headers }) => `${status} ${headers.get('cache-status')}`,
            ({ name }: Error) => name,
          ),
        [`${url}/jobs/${JOB_ID}/quality`, headers] as const,
      )
    const allowed = {
      authorization: 'Bearer x',
      baggage: 'sentry-environment=test',
      'cache-control': 'no-cache',
      'content-type': 'application/json',
      'sentry-trace': '0-0',
      'x-client-version': '1',
      'x-datadog-trace-id': '1',
      'x-requested-with': 'XMLHttpRequest',
    }
    t.equal(await get(allowed), '200 cdf-job-quality; fwd=miss')
    t.equal(await get({ 'x-other': '1' }), 'TypeError')
  },
)
