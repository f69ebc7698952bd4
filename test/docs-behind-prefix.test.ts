import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import t from 'tap'
import { openBrowser, skipWithoutBrowser } from './browser.ts'
import { startService, until } from './helper.ts'

/** A proxy that serves what it gets from a port under a path prefix, and nothing else. */
async function startProxy(t: Test, port: number, prefix: string): Promise<string> {
  const proxy = createServer(({ url = '', headers }, response) => {
    if (!url.startsWith(`${prefix}/`)) return response.writeHead(404).end()
    const path = url.slice(prefix.length)
    request({ port, path, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    }).end()
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    proxy.closeAllConnections()
    proxy.close()
  })
  return `http://127.0.0.1:${(proxy.address() as AddressInfo).port}${prefix}`
}

t.test(
  'Swagger UI tries an operation out behind a path prefix',
  { skip: skipWithoutBrowser, timeout: 60_000 },
  async (t) => {
    const { port, app } = await startService(t)
    await until(() => app.lifeCycle.missing.size === 0)
    const url = await startProxy(t, port, '/quality-of/jobs')
    const { page, complaints } = await openBrowser(t)
    await page.goto(`${url}/docs/`)
    const operation = page.locator('#operations-health-getReadiness')
    await operation.locator('.opblock-summary-control').click()
    await operation.getByRole('button', { name: 'Execute' }).click()
    await operation.locator('.live-responses-table').getByText('"status"').first().waitFor()
    t.match(await operation.locator('.request-url').textContent(), `${url}/health/ready`)
    t.strictSame(complaints, [])
  },
)
