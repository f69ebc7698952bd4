import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import type { Test } from 'tap'
import root from 'tap'
import { CHROMIUM, launchChromium } from '../../simulator/chromium.ts'

let browser: Promise<Browser> | undefined

/** Starts the browser, which all tests of a file share. */
function launch(): Promise<Browser> {
  const launched = launchChromium()
  root.teardown(async () => (await launched).close())
  return launched
}

/**
 * Opens a page in a new browser context for one test. `pageErrors` collects errors, warnings and failed requests;
 * `origins` collects the origins of all requests.
 */
export async function openBrowser(t: Test) {
  browser ??= launch()
  const context = await (await browser).newContext()
  t.teardown(() => context.close())
  const page = await context.newPage()
  const pageErrors: string[] = []
  const origins = new Set<string>()
  context.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) pageErrors.push(message.text())
  })
  context.on('weberror', (error) => pageErrors.push(error.error().message))
  context.on('requestfailed', (request) => pageErrors.push(`${request.url()} failed`))
  context.on('request', (request) => origins.add(new URL(request.url()).origin))
  return { context, page, pageErrors, origins }
}

/** The `skip` option of a browser test: a reason if there is no browser, else false. */
export const skipWithoutBrowser = existsSync(CHROMIUM) ? false : `${CHROMIUM} is not installed`

/** Saves a screenshot in the folder of the environment variable `SCREENSHOTS`, if it is set. */
export async function screenshot(page: Page, name: string): Promise<void> {
  const { SCREENSHOTS: folder } = process.env
  if (folder) await page.screenshot({ path: join(folder, `${name}.png`) })
}
