import { request } from 'node:http'
import type { Test } from 'tap'
import { startServer } from './local-server.ts'

/**
 * Starts a reverse proxy that removes a path prefix. It stops at the end of the test.
 * @param portOf the loopback port behind it, at the time of a request
 * @returns the URL with the prefix
 */
export async function startPrefixProxy(
  t: Test,
  prefix: string,
  portOf: () => number,
): Promise<string> {
  const origin = await startServer(t, ({ url = '', method, headers }, response) => {
    if (!url.startsWith(`${prefix}/`)) return response.writeHead(404).end()
    const path = url.slice(prefix.length)
    request({ port: portOf(), method, path, headers }, (upstream) => {
      response.writeHead(upstream.statusCode ?? 502, upstream.headers)
      upstream.pipe(response)
    }).end()
  })
  return `${origin}${prefix}`
}
