import type { Page } from 'playwright-core'
import t from 'tap'
import { openBrowser, screenshot, skipWithoutBrowser } from '../support/browser.ts'
import { startDemoPage, waitForConnection } from '../support/start-demo-page.ts'

const options = { skip: skipWithoutBrowser, timeout: 60_000 }

const HEADERS = [
  'Job',
  'Estimated quality',
  'Status',
  'Confidence',
  'Contextualization',
  'Status since',
  'Message',
]
const JOBS = 7

/** The table as screen readers get it: the role and the text of each cell, by row. */
async function accessibleTable(page: Page): Promise<string[][]> {
  const session = await page.context().newCDPSession(page)
  const { nodes } = await session.send('Accessibility.getFullAXTree')
  const byId = new Map(nodes.map((node) => [node.nodeId, node]))
  type Node = (typeof nodes)[number]
  const childrenOf = ({ childIds = [] }: Node) => childIds.flatMap((id) => byId.get(id) ?? [])
  const textOf = (node: Node): string =>
    node.role?.value === 'StaticText' ? node.name?.value : childrenOf(node).map(textOf).join(' ')
  return nodes
    .filter(({ role }) => role?.value === 'row')
    .map((row) => childrenOf(row).map((cell) => `${cell.role?.value}: ${textOf(cell).trim()}`))
}

/** The elements, except the headers of the table, that are not fully visible without horizontal scrolling. */
const cutElements = (page: Page) =>
  page.evaluate<string[]>(`
    [...document.querySelectorAll('body, body *')]
      .filter((element) => !element.closest('thead, [hidden]'))
      .filter((element) => {
        const { left, right, height } = element.getBoundingClientRect()
        const isBlock = getComputedStyle(element).display !== 'inline'
        const overflows = isBlock && element.scrollWidth > element.clientWidth + 1
        return left < 0 || right > innerWidth || overflows || height === 0
      })
      .map(({ outerHTML }) => outerHTML)`)

/** The label that each cell of the first job shows. */
const labels = (page: Page) =>
  page.evaluate<string[]>(`
    [...document.querySelectorAll('tbody tr:first-child td')]
      .map((cell) => getComputedStyle(cell, '::before').content.split('"')[1])`)

for (const [width, layout] of [
  [1280, 'a table'],
  [400, 'cards'],
] as const) {
  t.test(
    `the demo page shows all fields of all jobs as ${layout} at ${width} px`,
    options,
    async (t) => {
      const { pageUrl, advance } = await startDemoPage(t)
      const { page } = await openBrowser(t)
      await page.setViewportSize({ width, height: 800 })
      await page.goto(pageUrl)
      await waitForConnection(page, 'Live')
      t.strictSame(await cutElements(page), [], 'nothing is cut while jobs run')
      advance(30)
      await waitForConnection(page, 'the stream has ended')
      await screenshot(page, `demo-${width}`)
      t.strictSame(await cutElements(page), [])

      const isTable = layout === 'a table'
      const tops = await page.evaluate<number[]>(`
        [...document.querySelectorAll('tbody tr:first-child > *')]
          .map((cell) => cell.getBoundingClientRect().top)`)
      t.equal(new Set(tops).size, isTable ? 1 : HEADERS.length)
      t.strictSame(
        await labels(page),
        HEADERS.slice(1).map((label) => (isTable ? undefined : label)),
      )

      // The same for both: screen readers get a table.
      const [headers, ...rows] = await accessibleTable(page)
      t.strictSame(
        headers,
        HEADERS.map((header) => `columnheader: ${header}`),
      )
      t.equal(rows.length, JOBS)
      t.match(rows[0], [
        /^rowheader: All scores +Completes with all three scores.$/,
        /^cell: 92.4\s%$/,
        /^cell: Completed$/,
        /^cell: 84.75\s%$/,
        /^cell: 71.04\s%$/,
        /^cell: \d+:/,
        /^cell: –$/,
      ])
    },
  )
}

t.test(
  'the demo page can be used with a keyboard, and moves nothing with reduced motion',
  options,
  async (t) => {
    const { pageUrl, advance } = await startDemoPage(t)
    const { page } = await openBrowser(t)
    await page.setViewportSize({ width: 400, height: 800 })
    await page.emulateMedia({ reducedMotion: 'reduce' })
    await page.goto(pageUrl)
    await waitForConnection(page, 'Live')
    const spinners = page.locator('.spinner').filter({ visible: true })
    await spinners.first().waitFor()
    t.equal(
      await page.evaluate(
        `document.getAnimations().filter((one) => one instanceof CSSAnimation).length`,
      ),
      0,
    )
    advance(30)
    await waitForConnection(page, 'the stream has ended')
    const focused: (string | null)[] = []
    for (let stop = 0; stop < 5; stop += 1) {
      await page.keyboard.press('Tab')
      focused.push(
        await page.locator(':focus').evaluate(({ id, textContent }) => id || textContent),
      )
    }
    t.strictSame(focused, ['another-tab', 'restart', 'What to do', 'tabs', 'log'])
  },
)
