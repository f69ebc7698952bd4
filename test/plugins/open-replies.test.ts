import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { freePort } from '../support/local-server.ts'
import { request } from '../support/request.ts'
import { startService } from '../support/start-service.ts'
import { until } from '../support/wait.ts'

const PIPELINED = 1_500

/** Sends requests in one write, and waits until the server has closed the connection. */
function pipeline(port: number, path: string): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.resume()
  socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`.repeat(PIPELINED))
  return new Promise((resolve) => socket.once('close', () => resolve()))
}

/** Records the body of each response. */
function recordBodies({ server }: FastifyInstance): unknown[] {
  const bodies: unknown[] = []
  server.prependListener('request', (_request, response: ServerResponse) => {
    const { end } = response
    response.end = ((...args: Parameters<typeof end>) => {
      bodies.push(args[0])
      return end.apply(response, args)
    }) as typeof end
  })
  return bodies
}

for (const path of ['/docs/static/swagger-ui.css', '/openapi.yaml']) {
  t.test(`closes a connection with ${PIPELINED} pipelined requests for ${path}`, async (t) => {
    const { app, get, port, logs } = await startService(t)
    const { text } = await get(path)
    const bodies = recordBodies(app)
    await pipeline(port, path)
    t.ok(bodies.length <= 33, `${bodies.length} responses were built`)
    t.ok(new Set(bodies).size <= 1, 'all responses share the same bytes')
    const other = await get(path)
    t.equal(other.status, 200)
    t.equal(other.text, text)
    t.notOk(
      logs.some(({ level }) => Number(level) >= 40),
      'no warning in the log',
    )
    t.match(await app.metrics.text(), 'cdf_job_quality_problems_total{code="internal-error"} 0')
  })
}

t.test('answers responses with the same bytes', async (t) => {
  const { app, get } = await startService(t)
  const bodies = recordBodies(app)
  for (const path of ['/docs', '/openapi.yaml', '/openapi.json', '/problems/overloaded']) {
    for (let times = 0; times < 2; times += 1) await get(path)
    const [first, second] = bodies.splice(0)
    t.ok(Buffer.isBuffer(first), path)
    t.equal(first, second, path)
  }
})

t.test('closes a connection with pipelined requests for metrics', async (t) => {
  const metricsPort = await freePort()
  const { app, logs } = await startService(t, {
    environment: { METRICS_PORT: String(metricsPort) },
  })
  const url = `http://127.0.0.1:${metricsPort}/metrics`
  while ((await request(url).catch(() => undefined))?.status !== 200);
  const { text } = app.metrics
  let scrapes = 0
  app.metrics.text = () => {
    scrapes += 1
    return text.call(app.metrics)
  }
  await pipeline(metricsPort, '/metrics')
  t.equal(scrapes, 1, 'concurrent scrapes share one text')
  t.equal((await request(url)).status, 200)
  t.notOk(logs.some(({ level }) => Number(level) >= 40))
})

t.test('closes a connection whose client does not read', async (t) => {
  const { app, port, get } = await startService(t)
  t.ok(app.server.timeout > 25_000, 'longer than a wait and than the heartbeat of a stream')
  t.ok(app.server.timeout <= 75_000)
  await get('/docs')
  // Applies to new connections.
  app.server.timeout = 200
  const accepted = once(app.server, 'connection')
  const socket = connect(port, '127.0.0.1')
  socket.pause()
  t.teardown(() => socket.destroy())
  const [serverSide] = await accepted
  const path = '/docs/static/swagger-ui-bundle.js'
  socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`.repeat(30))
  await until(() => serverSide.closed)
  t.pass('the service has closed the connection')
})

t.test('bounds the number of connections', async (t) => {
  const { app } = await startService(t)
  t.equal(app.server.maxConnections, 10_240)
})
