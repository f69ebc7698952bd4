import t from 'tap'
import { DEMO_JOBS } from '../../simulator/demo/jobs.ts'
import { PROBLEM_TYPES } from '../../src/problems/problem-types.ts'
import { openBrowser, screenshot, skipWithoutBrowser } from '../support/browser.ts'
import { startPrefixProxy } from '../support/prefix-proxy.ts'
import { startService } from '../support/start-service.ts'
import { until } from '../support/wait.ts'

/** Sorted, without that of `data:` URLs. */
const originsOf = (origins: Set<string>) =>
  [...origins].filter((origin) => origin !== 'null').sort()

t.test(
  'Swagger UI loads without errors, logs in, and executes an operation with the access token',
  { skip: skipWithoutBrowser, timeout: 60_000 },
  async (t) => {
    const { url, simulator } = await startService(t, { environment: { AUTH_MODE: 'jwt' } })
    for (const { job } of DEMO_JOBS) simulator.cdf.addJob(job)
    const { context, page, pageErrors, origins } = await openBrowser(t)

    await page.goto(`${url}/`)
    t.equal(new URL(page.url()).pathname, '/docs')
    await page.locator('.opblock-summary-path').first().waitFor()
    t.match(await page.locator('h1.title').textContent(), /^CDF job quality/)
    t.equal(await page.locator('.info .link').first().getAttribute('href'), `${url}/openapi.json`)
    t.strictSame(originsOf(origins), [url], 'no request to another origin before the login')
    await screenshot(page, 'docs')

    await page.getByRole('button', { name: 'Authorize' }).first().click()
    const dialog = page.locator('.modal-ux')
    const popup = context.waitForEvent('page')
    await dialog.getByRole('button', { name: 'Apply given OAuth2 credentials' }).click()
    const login = await popup
    await login.getByRole('button', { name: 'Log in as developer' }).click()
    await dialog.getByText('Logout').waitFor()
    await dialog.getByText('Close').first().click()

    const operation = page.locator('#operations-jobs-getJobQuality')
    await operation.locator('.opblock-summary-control').click()
    const results = operation.locator('.live-responses-table')
    // The example of the contract is a job of the demo.
    await operation.getByRole('button', { name: 'Execute' }).click()
    await results.getByText('"qualityPercent"').first().waitFor()
    const result = await results.textContent()
    t.match(result, '"status": "Completed"')
    t.match(result, '"qualityPercent": 87.5')
    await screenshot(page, 'docs-executed')

    await operation.locator('input[placeholder="jobId"]').fill('1'.repeat(19))
    await operation.getByRole('button', { name: 'Execute' }).click()
    await results.getByText('"job-not-found"').first().waitFor()
    t.match(await results.textContent(), '"type": "/problems/job-not-found"')
    // The browser logs every 404.
    t.match(pageErrors.splice(0), [/status of 404/])

    const stream = page.locator('#operations-jobs-streamJobQuality')
    await stream.locator('.opblock-summary-control').click()
    await stream.getByText('curl -N -H').waitFor()
    t.equal(await stream.getByRole('button', { name: 'Execute' }).count(), 0, 'it would wait')

    await page.setViewportSize({ width: 400, height: 900 })
    t.equal(await page.evaluate('document.documentElement.scrollWidth'), 400)
    await screenshot(page, 'docs-narrow')
    t.strictSame(originsOf(origins), [url, simulator.url].sort())
    t.strictSame(pageErrors, [])
  },
)

t.test(
  'Swagger UI executes an operation behind a path prefix',
  { skip: skipWithoutBrowser, timeout: 60_000 },
  async (t) => {
    const { port, app } = await startService(t)
    await until(() => app.lifeCycle.readinessBlockers.size === 0)
    const url = await startPrefixProxy(t, '/quality-of/jobs', () => port)
    const { page, pageErrors } = await openBrowser(t)
    await page.goto(`${url}/docs`)
    const operation = page.locator('#operations-health-getReadiness')
    await operation.locator('.opblock-summary-control').click()
    await operation.getByRole('button', { name: 'Execute' }).click()
    await operation.locator('.live-responses-table').getByText('"status"').first().waitFor()
    t.match(await operation.locator('.request-url').textContent(), `${url}/health/ready`)
    t.strictSame(pageErrors, [])
  },
)

t.test(
  'the page of a problem type has its title and its three sections',
  { skip: skipWithoutBrowser, timeout: 60_000 },
  async (t) => {
    const { url } = await startService(t)
    const { page, pageErrors, origins } = await openBrowser(t)
    await page.goto(`${url}/problems/upstream-unavailable`)
    const { title, detail, forCaller, forOperator } = PROBLEM_TYPES['upstream-unavailable']
    t.equal(await page.title(), title)
    t.strictSame(await page.locator('h2').allTextContents(), [
      'What happened',
      'What the caller can do',
      'What the operator can do',
    ])
    t.strictSame((await page.locator('main p').allTextContents()).slice(1), [
      detail,
      forCaller,
      forOperator,
    ])
    await screenshot(page, 'problem')
    await page.getByRole('link').click()
    await page.waitForURL(/\/docs$/, { waitUntil: 'commit' })
    t.strictSame(originsOf(origins), [url])
    t.strictSame(pageErrors, [])
  },
)
