import t from 'tap'
import { lasting, SCORES } from '../simulator/simulated-job.ts'
import { PROBLEM_CODES, PROBLEMS } from '../src/problem-table.ts'
import { openBrowser, screenshot, skipWithoutBrowser } from './browser.ts'
import { JOB_ID, startService } from './helper.ts'

t.test(
  'Swagger UI loads without an error and tries a job out',
  { skip: skipWithoutBrowser, timeout: 60_000 },
  async (t) => {
    const { url, simulator } = await startService(t)
    simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
    const { page, complaints, origins } = await openBrowser(t)

    await page.goto(`${url}/`)
    t.equal(new URL(page.url()).pathname, '/docs')
    await page.locator('.opblock-summary-path').first().waitFor()
    t.match(await page.locator('h1.title').textContent(), /^CDF job quality/)
    await screenshot(page, 'docs')

    const operation = page.locator('#operations-jobs-getJobQuality')
    await operation.locator('.opblock-summary-control').click()
    await operation.locator('input[placeholder="jobId"]').fill(JOB_ID)
    await operation.getByRole('button', { name: 'Execute' }).click()
    await operation.locator('.live-responses-table .response-col_status').first().waitFor()
    t.match(
      await operation.locator('.live-responses-table').textContent(),
      '"qualityPercent": 87.5',
    )

    t.strictSame(
      [...origins].filter((origin) => origin !== 'null'),
      [url],
      'nothing foreign is asked',
    )
    t.strictSame(complaints, [])
  },
)

t.test(
  'Swagger UI logs in with one click and tries a job out behind the door',
  { skip: skipWithoutBrowser, timeout: 60_000 },
  async (t) => {
    const { url, simulator } = await startService(t, { environment: { AUTH_MODE: 'jwt' } })
    simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
    const { context, page, complaints, origins } = await openBrowser(t)

    await page.goto(`${url}/docs`)
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
    await operation.locator('input[placeholder="jobId"]').fill(JOB_ID)
    await operation.getByRole('button', { name: 'Execute' }).click()
    await results.getByText('"qualityPercent"').first().waitFor()
    t.match(await results.textContent(), '"status": "Completed"')
    await screenshot(page, 'docs-tried')

    await operation.locator('input[placeholder="jobId"]').fill('1'.repeat(19))
    await operation.getByRole('button', { name: 'Execute' }).click()
    await results.getByText('"job-not-found"').first().waitFor()
    t.match(await results.textContent(), '"type": "/problems/job-not-found"')
    // What the browser itself notes of any 404.
    t.match(complaints.splice(0), [/status of 404/])

    t.strictSame(
      [...origins].filter((origin) => origin !== 'null').sort(),
      [url, simulator.url].sort(),
    )
    t.strictSame(complaints, [])
  },
)

t.test(
  'each type of problem has a page that reads well',
  { skip: skipWithoutBrowser, timeout: 60_000 },
  async (t) => {
    const { url } = await startService(t)
    const { page, complaints, origins } = await openBrowser(t)
    for (const code of PROBLEM_CODES) {
      await page.goto(`${url}/problems/${code}`)
      const { title, detail, forCaller, forOperator } = PROBLEMS[code]
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
    }
    await screenshot(page, 'problem')
    await page.getByRole('link').click()
    await page.locator('.opblock-summary-path').first().waitFor()
    t.strictSame(
      [...origins].filter((origin) => origin !== 'null'),
      [url],
    )
    t.strictSame(complaints, [])
  },
)
