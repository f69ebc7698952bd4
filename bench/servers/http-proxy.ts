import httpProxy from '@fastify/http-proxy'
import Fastify from 'fastify'
import { PORT } from './ready-job.ts'

/** The ordinary way to forward a request: it checks, reads and keeps nothing of what it forwards. */
const { UPSTREAM_URL = '', UPSTREAM_PATH = '' } = process.env

const app = Fastify()
await app.register(httpProxy, {
  upstream: UPSTREAM_URL,
  prefix: '/jobs/:jobId/quality',
  rewritePrefix: `${UPSTREAM_PATH}/:jobId`,
  httpMethods: ['GET'],
})
await app.listen({ port: PORT, host: '127.0.0.1' })
