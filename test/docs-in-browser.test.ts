import t from 'tap'
import { lasting, SCORES } from '../simulator/simulated-job.ts'
import { openBrowser, skipWithoutBrowser } from './browser.ts'
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

    t.strictSame(
      [...origins].filter((origin) => origin !== 'null').sort(),
      [url, simulator.url].sort(),
    )
    t.strictSame(complaints, [])
  },
)
