import type { Test } from 'tap'
import t from 'tap'
import { parse } from 'yaml'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import type { JobQualityList } from '../../src/jobs/job-list.ts'
import type { Problem } from '../../src/problems/problem.ts'
import { contractText } from '../support/contract.ts'
import { openEvents } from '../support/event-stream.ts'
import { JOB_ID } from '../support/fixtures.ts'
import { startPrefixProxy } from '../support/prefix-proxy.ts'
import { parseRaw, sendRaw } from '../support/raw-socket.ts'
import { request } from '../support/request.ts'
import { startService } from '../support/start-service.ts'
import { until } from '../support/wait.ts'

/** Starts the service behind a proxy that removes a path prefix. */
async function startBehindProxy(t: Test, environment: Record<string, string> = {}) {
  const port = { value: 0 }
  const publicUrl = await startPrefixProxy(t, '/quality-of/jobs', () => port.value)
  const service = await startService(t, {
    environment: { PUBLIC_URL: `${publicUrl}/`, ...environment },
  })
  port.value = service.port
  return { ...service, publicUrl, fetchPublic: (path: string) => request(`${publicUrl}${path}`) }
}

t.test('the type of a problem is the public URL of its page', async (t) => {
  const { publicUrl, fetchPublic, port } = await startBehindProxy(t)
  const stream = await openEvents(t, `${publicUrl}/jobs/1/quality/events`)
  await until(stream.hasEnded)
  const raw = (head: string) => sendRaw(port, `${head}\r\nconnection: close\r\n\r\n`).then(parseRaw)
  const problems: [name: string, problem: unknown][] = [
    ['a problem of a route', (await fetchPublic('/jobs/0012/quality')).body],
    ['an unknown route', (await fetchPublic('/nothing')).body],
    [
      'a list',
      ((await fetchPublic('/jobs/quality?jobId=1')).body as JobQualityList).items[0]?.problem,
    ],
    ['a stream', JSON.parse(stream.events[0]?.data ?? '')],
    ['a router error', (await raw('GET /jobs/%zz/quality HTTP/1.1\r\nhost: x')).body],
    ['a parser error', (await raw('GET / HTTP/1.1\r\nhost: x\r\nbad header')).body],
    [
      'too large headers',
      (await raw(`GET / HTTP/1.1\r\nhost: x\r\na: ${'a'.repeat(40_000)}`)).body,
    ],
    ['CONNECT', (await raw('CONNECT x:1 HTTP/1.1\r\nhost: x')).body],
  ]
  for (const [name, problem] of problems) {
    const { type, code } = problem as Problem
    t.equal(type, `${publicUrl}/problems/${code}`, name)
    t.equal((await request(type)).status, 200)
  }
})

t.test('the root redirects to the public URL of Swagger UI, or of the contract', async (t) => {
  for (const [DOCS_ENABLED, path] of [
    ['true', '/docs'],
    ['false', '/openapi.yaml'],
  ] as const) {
    const { publicUrl, fetchPublic } = await startBehindProxy(t, { DOCS_ENABLED })
    const { status, headers } = await fetchPublic('/')
    t.equal(status, 302)
    t.equal(headers.get('location'), `${publicUrl}${path}`)
  }
})

t.test('the contract is the same file, and its server URL leads to the prefix', async (t) => {
  const { publicUrl, fetchPublic, simulator, quality } = await startBehindProxy(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
  // Cached, because reads of CDF are refused while the event loop parses the contract.
  await quality()
  const { text } = await fetchPublic('/openapi.yaml')
  t.equal(text, contractText)
  for (const document of [parse(text), (await fetchPublic('/openapi.json')).body]) {
    const [{ url }] = document.servers
    const server = new URL(url, `${publicUrl}/openapi.json`).href
    t.equal(server, `${publicUrl}/`)
    t.equal((await request(`${server}jobs/${JOB_ID}/quality`)).status, 200)
  }
})

t.test('pages link to other pages under the prefix', async (t) => {
  const { publicUrl } = await startBehindProxy(t)
  for (const path of ['/docs', '/docs/', '/problems/overloaded']) {
    const page = await request(`${publicUrl}${path}`)
    const links = [...page.text.matchAll(/(?:href|src)="(?!data:)([^"]+)"/g)]
    t.ok(links.length > 0, path)
    for (const [, link = ''] of links) {
      const { href } = new URL(link, `${publicUrl}${path}`)
      t.equal((await request(href)).status, 200, href)
    }
  }
})
