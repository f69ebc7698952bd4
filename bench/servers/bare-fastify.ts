import Fastify from 'fastify'

/** A Fastify application with as many routes as the service and empty handlers. */
const ROUTES = [
  '/jobs/:jobId/quality',
  '/jobs/quality',
  '/jobs/:jobId/quality/events',
  '/jobs/quality/events',
  '/health/live',
  '/health/ready',
  '/problems/:slug',
  '/openapi.yaml',
  '/openapi.json',
  '/',
  '/docs',
  '/docs/',
  '/docs/static/*',
]

const app = Fastify({ logger: true })
for (const url of ROUTES) app.get(url, async () => ({ status: 'ok' }))
await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' })
// A normal exit, so that Node writes the compile cache.
process.once('SIGTERM', () => app.close())
