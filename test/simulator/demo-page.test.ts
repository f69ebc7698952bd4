import type { Page } from 'playwright-core'
import type { Test } from 'tap'
import t from 'tap'
import { addDemoPage } from '../../simulator/demo/page-server.ts'
import { startReplicas } from '../../simulator/demo/replicas.ts'
import { startSimulator } from '../../simulator/upstream/start-simulator.ts'
import { openBrowser, screenshot, skipWithoutBrowser } from '../support/browser.ts'
import { skipWithoutRedis } from '../support/redis-server.ts'
import { startDemoPage, waitForConnection } from '../support/start-demo-page.ts'
import { until } from '../support/wait.ts'

const options = { skip: skipWithoutBrowser, timeout: 60_000 }

/** Waits until the jobs have these statuses, from top to bottom. */
async function waitForStatuses(page: Page, texts: readonly string[]): Promise<void> {
  for (const [index, text] of texts.entries())
    await page.locator('.status').nth(index).getByText(text, { exact: true }).waitFor()
}

/** The texts of the elements that match a selector, without non-breaking spaces. */
const textsOf = async (page: Page, selector: string) =>
  (await page.locator(selector).allTextContents()).map((text) => text.replaceAll('\u00a0', ' '))

t.test('the demo page shows the changes of jobs, over one stream', options, async (t) => {
  const { url, simulator, pageUrl, advance } = await startDemoPage(t)
  const { context, page, pageErrors, origins } = await openBrowser(t)
  const paths: string[] = []
  context.on('request', (request) => paths.push(new URL(request.url()).pathname))
  const streams = () => paths.filter((path) => path === '/jobs/quality/events').length

  await page.goto(pageUrl)
  await waitForStatuses(page, [...Array(6).fill('Queued'), 'Job not found'])
  await waitForConnection(page, 'Live: one stream for 7 jobs')
  t.equal(await page.locator('.spinner').filter({ visible: true }).count(), 6)
  t.notOk(await page.locator('#replicas').isVisible(), 'there is one replica')

  advance(8)
  await waitForStatuses(page, [...Array(5).fill('Running'), 'Unknown', 'Job not found'])
  t.equal(await page.locator('.spinner').filter({ visible: true }).count(), 5)
  t.equal((await textsOf(page, '.chip')).filter((text) => text === 'no score yet').length, 6)

  advance(30)
  await waitForConnection(page, 'the stream has ended')
  t.equal(await page.locator('.spinner').filter({ visible: true }).count(), 0)
  t.strictSame(
    [await textsOf(page, '.title'), await textsOf(page, '.chip'), await textsOf(page, '.status')],
    [
      ['All scores', 'Renamed field', 'Zero', 'No scores', 'Failure', 'New status', 'Unknown job'],
      ['92.4 %', '64.2 %', '0 %', 'no score', 'no score', '81.5 %', 'no score'],
      [...Array(4).fill('Completed'), 'Failed', 'Completed', 'Job not found'],
    ],
  )
  t.strictSame(await textsOf(page, '[data-label=Contextualization]'), [
    '71.04 %',
    'no score',
    '31 %',
    'no score',
    '–',
    '39.9 %',
    '–',
  ])
  const messages = await textsOf(page, '[data-label=Message]')
  t.equal(messages[4], "Could not read Raw table 'tank_unit' in database 'plant'.")
  t.match(messages[6], /^CDF has no such job.* What to do$/)
  t.strictSame(
    (await textsOf(page, '#log li'))
      .filter((line) => line.includes('Zero'))
      .map((line) => line.replace(/^.*Zero: /, '')),
    ['Completed, 0 %', 'Running', 'Queued'],
    'newest first',
  )
  t.equal(streams(), 1)

  await page
    .locator('#service-requests')
    .getByText(`${simulator.cdf.requests.length}`, { exact: true })
    .waitFor()
  await page.locator('#polls-requests').getByText('370', { exact: true }).waitFor()
  await page.getByLabel('polling in').fill('1')
  await page.locator('#polls-requests').getByText('37', { exact: true }).waitFor()

  const requestsBefore = simulator.cdf.requests.length
  const [other] = await Promise.all([
    context.waitForEvent('page'),
    page.getByRole('link', { name: 'Same jobs in another tab' }).click(),
  ])
  await waitForConnection(other, 'the stream has ended')
  t.strictSame(await textsOf(other, '.chip'), await textsOf(page, '.chip'))
  const requests = simulator.cdf.requests.slice(requestsBefore)
  t.ok(requests.length <= 1, 'only the unknown job may be read again')
  await other.close()

  await page.getByRole('button', { name: 'Start again' }).click()
  await waitForStatuses(page, [...Array(6).fill('Queued'), 'Job not found'])
  t.equal(streams(), 3)
  t.equal(paths.filter((path) => path === '/demo').length, 2, 'the page is not reloaded')

  t.strictSame([...origins].sort(), [url, simulator.url].sort(), 'no requests to other origins')
  t.strictSame(pageErrors, [])
})

t.test(
  'the demo page reconnects with a new token, and after a lost connection',
  options,
  async (t) => {
    const { app, pageUrl, advance } = await startDemoPage(t)
    const { page, pageErrors } = await openBrowser(t)

    await page.route('**/demo/token', (route) => route.fulfill({ json: { token: 'old' } }), {
      times: 1,
    })
    await page.goto(pageUrl)
    await waitForConnection(page, 'Live')
    await waitForStatuses(page, ['Queued'])

    app.server.closeAllConnections()
    await waitForConnection(page, 'Reconnecting')
    advance(30)
    await waitForConnection(page, 'the stream has ended')
    await waitForStatuses(page, ['Completed'])
    t.strictSame(
      pageErrors.filter((text) => !/401 \(Unauthorized\)|ERR_|\/jobs\/quality\/events/.test(text)),
      [],
    )
  },
)

/** Starts the demo with three replicas, whose jobs change only when `advance` is called. */
async function startDemoWithReplicas(t: Test) {
  let nowMs = Date.now()
  const now = () => nowMs
  const simulator = await startSimulator({ now })
  t.teardown(() => simulator.close())
  const service = await startReplicas({
    count: 3,
    environment: { ...simulator.environment, CORS_ORIGINS: simulator.url },
    port: 0,
    metricsPort: 0,
    logDestination: { write: () => {} },
  })
  t.teardown(() => service.close())
  await until(service.isReady)
  addDemoPage(simulator, { serviceUrl: service.url, replicas: service.replicas, now })
  const advance = (seconds: number) => {
    nowMs += 1000 * seconds
  }
  return { simulator, advance, pageUrl: `${simulator.url}/demo` }
}

t.test(
  'the demo page shows the streams and the requests to CDF of each replica, which do not add up',
  { ...options, skip: skipWithoutBrowser || skipWithoutRedis },
  async (t) => {
    const { simulator, advance, pageUrl } = await startDemoWithReplicas(t)
    const { context, page, pageErrors } = await openBrowser(t)
    const streamsOf = async () =>
      (await textsOf(page, '#replicas dt')).map((text) => /: (.*)$/.exec(text)?.[1])
    await page.goto(pageUrl)
    await page.getByText('Replica 3').waitFor()
    await until(async () => (await streamsOf()).includes('1 open stream'))
    for (let tabs = 2; tabs <= 3; tabs += 1) {
      const link = page.getByRole('link', { name: 'Same jobs in another tab' })
      const [tab] = await Promise.all([context.waitForEvent('page'), link.click()])
      await waitForConnection(tab, 'Live')
    }
    await until(async () => (await streamsOf()).every((text) => text === '1 open stream'))
    const startedAtMs = Date.now()
    const before = simulator.cdf.requests.length
    await until(() => simulator.cdf.requests.length >= before + 12)
    const seconds = (Date.now() - startedAtMs) / 1000
    // Six jobs are pending. The seventh one is unknown.
    const perJob = (simulator.cdf.requests.length - before) / 6
    t.ok(perJob <= 2 + seconds, 'one request per second and job, as with one replica')
    for (const width of [1280, 400]) {
      await page.setViewportSize({ width, height: 900 })
      const usedWidth = await page.evaluate<number>('document.documentElement.scrollWidth')
      t.ok(usedWidth <= width, `fits into ${width} px`)
      await page.locator('#replicas').scrollIntoViewIfNeeded()
      await screenshot(page, `demo-replicas-${width}`)
    }
    advance(30)
    await waitForConnection(page, 'the stream has ended')
    await until(async () => {
      const counts = (await textsOf(page, '#replicas .count')).map(Number)
      const sum = counts.reduce((total, count) => total + count, 0)
      return sum === simulator.cdf.requests.length
    })
    t.match(
      (await textsOf(page, '#replicas .summary'))[0],
      /^No job has cost CDF more than \d+ requests in \d+ s\.$/,
    )
    t.strictSame(pageErrors, [])
  },
)
