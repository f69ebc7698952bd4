import type { Page } from 'playwright-core'
import type { Test } from 'tap'
import t from 'tap'
import { addDemoPage } from '../simulator/demo-page.ts'
import { openBrowser, skipWithoutBrowser } from './browser.ts'
import { startService, until } from './helper.ts'

const options = { skip: skipWithoutBrowser, timeout: 60_000 }

/** A service with the demo page in front, whose jobs change only when time is told to pass. */
async function startDemo(t: Test) {
  const environment: Record<string, string> = { AUTH_MODE: 'jwt' }
  let nowMs = Date.now()
  const now = () => nowMs
  const service = await startService(t, {
    environment,
    simulator: { now },
    prepare: ({ url }) => {
      environment.CORS_ORIGINS = url
    },
  })
  const { app, simulator, url } = service
  await until(() => app.lifeCycle.missing.size === 0)
  addDemoPage(simulator, { serviceUrl: url, now })
  const pass = (seconds: number) => {
    nowMs += 1000 * seconds
  }
  return { ...service, pageUrl: `${simulator.url}/demo`, pass }
}

/** Waits until the header of each job has its text, from the left to the right. */
async function waitForHeads(page: Page, texts: readonly string[]): Promise<void> {
  for (const [index, text] of texts.entries()) {
    await page
      .locator('#heads th')
      .nth(index + 1)
      .getByText(text, { exact: true })
      .waitFor()
  }
}

const waitForConnection = (page: Page, text: string | RegExp) =>
  page.getByRole('status').filter({ hasText: text }).waitFor()

/** The texts of what a selector finds, with plain spaces. */
const textsOf = async (page: Page, selector: string) =>
  (await page.locator(selector).allTextContents()).map((text) => text.replaceAll('\u00a0', ' '))

t.test('the demo page shows what becomes of jobs, over one stream', options, async (t) => {
  const { url, simulator, pageUrl, pass } = await startDemo(t)
  const { context, page, complaints, origins } = await openBrowser(t)
  const paths: string[] = []
  context.on('request', (request) => paths.push(new URL(request.url()).pathname))
  const streams = () => paths.filter((path) => path === '/jobs/quality/events').length

  await page.goto(pageUrl)
  await waitForHeads(page, [...Array(6).fill('Queued'), 'Job not found'])
  await waitForConnection(page, 'Live: one stream for 7 jobs')
  t.equal(await page.locator('.spinner').filter({ visible: true }).count(), 6)

  pass(8)
  await waitForHeads(page, [...Array(5).fill('Running'), 'Unknown', 'Job not found'])
  t.equal(await page.locator('.spinner').filter({ visible: true }).count(), 5)
  t.equal((await textsOf(page, '.chip')).filter((text) => text === 'no score yet').length, 6)

  pass(30)
  await waitForConnection(page, 'the stream has ended')
  t.equal(await page.locator('.spinner').filter({ visible: true }).count(), 0)
  t.strictSame(
    [await textsOf(page, '.title'), await textsOf(page, '.chip'), await textsOf(page, '.status')],
    [
      ['All is well', 'Renamed field', 'Zero', 'No scores', 'Failure', 'New state', 'Unknown job'],
      ['92.4 %', '64.2 %', '0 %', 'no score', 'no score', '81.5 %', 'no score'],
      [...Array(4).fill('Completed'), 'Failed', 'Completed', 'Job not found'],
    ],
  )
  t.strictSame(await textsOf(page, '#contextualization td'), [
    '71.04 %',
    'no score',
    '31 %',
    'no score',
    '–',
    '39.9 %',
    '–',
  ])
  const messages = await textsOf(page, '#messages td')
  t.equal(messages[4], "Could not read Raw table 'tank_unit' in database 'plant'.")
  t.match(messages[6], /^CDF has no such job.* What to do$/)
  t.strictSame(
    (await textsOf(page, '#log li'))
      .filter((line) => line.includes('Zero'))
      .map((line) => line.replace(/^.*Zero: /, '')),
    ['Completed, 0 %', 'Running', 'Queued'],
    'the newest first',
  )
  t.equal(streams(), 1)

  await page
    .locator('#service-calls')
    .getByText(`${simulator.cdf.requests.length}`, { exact: true })
    .waitFor()
  await page.locator('#polls-calls').getByText('370', { exact: true }).waitFor()
  await page.getByLabel('polling in').fill('1')
  await page.locator('#polls-calls').getByText('37', { exact: true }).waitFor()

  const readsOfDone = simulator.cdf.requests.length
  const [other] = await Promise.all([
    context.waitForEvent('page'),
    page.getByRole('link', { name: 'Same jobs in another tab' }).click(),
  ])
  await waitForConnection(other, 'the stream has ended')
  t.strictSame(await textsOf(other, '.chip'), await textsOf(page, '.chip'))
  const calls = simulator.cdf.requests.slice(readsOfDone)
  t.ok(calls.length <= 1, 'only the unknown job may have been asked for again')
  await other.close()

  await page.getByRole('button', { name: 'Start again' }).click()
  await waitForHeads(page, [...Array(6).fill('Queued'), 'Job not found'])
  t.equal(streams(), 3)
  t.equal(paths.filter((path) => path === '/demo').length, 2, 'never reloaded')

  t.strictSame([...origins].sort(), [url, simulator.url].sort(), 'nothing foreign is asked')
  t.strictSame(complaints, [])
})

t.test(
  'the demo page comes back with a new token, and after a lost connection',
  options,
  async (t) => {
    const { app, pageUrl, pass } = await startDemo(t)
    const { page, complaints } = await openBrowser(t)

    await page.route('**/demo/token', (route) => route.fulfill({ json: { token: 'old' } }), {
      times: 1,
    })
    await page.goto(pageUrl)
    await waitForConnection(page, /the service says 401.*Trying again/)
    await waitForConnection(page, 'Live')
    await waitForHeads(page, ['Queued'])

    app.server.closeAllConnections()
    await waitForConnection(page, 'Trying again')
    pass(30)
    await waitForConnection(page, 'the stream has ended')
    await waitForHeads(page, ['Completed'])
    t.strictSame(
      complaints.filter((text) => !/401 \(Unauthorized\)|ERR_|\/jobs\/quality\/events/.test(text)),
      [],
    )
  },
)
