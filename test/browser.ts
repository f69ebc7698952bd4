import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { chromium } from 'playwright-core'
import type { Test } from 'tap'

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

/** One browser for each test, with everything that it complains about. */
export async function openBrowser(t: Test) {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS })
  t.teardown(() => browser.close())
  const context = await browser.newContext()
  const page = await context.newPage()
  const complaints: string[] = []
  const origins = new Set<string>()
  context.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
  })
  context.on('weberror', (error) => complaints.push(error.error().message))
  context.on('requestfailed', (request) => complaints.push(`${request.url()} failed`))
  context.on('request', (request) => origins.add(new URL(request.url()).origin))
  return { context, page, complaints, origins }
}

/** For the `skip` of a test: the reason where there is no browser, else false. */
export const skipWithoutBrowser = existsSync(CHROMIUM)
  ? false
  : `there is no ${CHROMIUM} on this machine`

/** A picture of the page, for whoever wants to look at it: in the folder that `SCREENSHOTS` names, if it does. */
export async function screenshot(page: Page, name: string): Promise<void> {
  const { SCREENSHOTS: folder } = process.env
  if (folder) await page.screenshot({ path: join(folder, `${name}.png`) })
}
