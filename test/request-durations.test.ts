import { Histogram, Registry } from 'prom-client'
import t from 'tap'
import { RequestDurations } from '../src/request-durations.ts'

t.test('says what the histogram of the library would say', async (t) => {
  const registry = new Registry()
  const durations = new RequestDurations(registry)
  const libraryRegistry = new Registry()
  const library = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'HTTP requests, from the first byte to the last one of the answer.',
    labelNames: ['method', 'route', 'status', 'mode'],
    buckets: [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers: [libraryRegistry],
  })
  const requests = [
    ['GET', '/jobs/:jobId/quality', 200, 'plain', 0.0005],
    ['GET', '/jobs/:jobId/quality', 200, 'plain', 0.001],
    ['GET', '/jobs/:jobId/quality', 200, 'wait', 25],
    ['HEAD', '/jobs/:jobId/quality', 200, 'plain', 31],
    ['GET', '/jobs/:jobId/quality', 404, 'plain', 0],
    ['GET', undefined, 404, 'plain', 0.3],
  ] as const
  for (const [method, route, status, mode, seconds] of requests) {
    durations.count(method, route, status, mode, seconds)
    library.observe({ method, route: route ?? 'none', status, mode }, seconds)
  }
  // The order of series and of labels says nothing.
  const linesOf = async (from: Registry) =>
    (await from.metrics())
      .split('\n')
      .map((line) => line.replace(/\{(.*)\}/, (_all, labels) => labels.split(',').sort().join()))
      .sort()
  t.strictSame(await linesOf(registry), await linesOf(libraryRegistry))
})

t.test('hands back what a request was counted under, for the log', async (t) => {
  const durations = new RequestDurations(new Registry())
  const route = '/jobs/:jobId/quality'
  const first = durations.count('GET', route, 200, 'plain', 0.1)
  t.strictSame(JSON.parse(`{${first}}`), { method: 'GET', route, status: 200, mode: 'plain' })
  t.equal(durations.count('GET', route, 200, 'plain', 0.2), first)
  const unknown = durations.count('GET', undefined, 404, 'plain', 0.1)
  t.strictSame(
    JSON.parse(`{${unknown}}`),
    { method: 'GET', status: 404, mode: 'plain' },
    'none is a label only',
  )
})
