import { existsSync } from 'node:fs'
import { chromium } from 'playwright-core'
import t from 'tap'
import { lasting, SCORES } from '../simulator/simulated-job.ts'
import { JOB_ID, startService } from './helper.ts'

/** Debian's; Playwright brings none of its own. */
const CHROMIUM = '/usr/bin/chromium'
const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

const skip = existsSync(CHROMIUM) ? false : `there is no ${CHROMIUM} on this machine`

t.test(
  'Swagger UI loads without an error and tries a job out',
  { skip, timeout: 60_000 },
  async (t) => {
    const { url, simulator } = await startService(t)
    simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS })
    t.teardown(() => browser.close())
    const page = await browser.newPage()
    const complaints: string[] = []
    const origins = new Set<string>()
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
    })
    page.on('pageerror', (error) => complaints.push(error.message))
    page.on('requestfailed', (request) => complaints.push(`${request.url()} failed`))
    page.on('request', (request) => origins.add(new URL(request.url()).origin))

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
