import cors from '@fastify/cors'
import etag from '@fastify/etag'
import helmet from '@fastify/helmet'
import jwt from '@fastify/jwt'
import rateLimit from '@fastify/rate-limit'
import underPressure from '@fastify/under-pressure'
import Fastify from 'fastify'
import buildGetJwks from 'get-jwks'
import { LRUCache } from 'lru-cache'
import { collectDefaultMetrics, Histogram, register } from 'prom-client'
import { request as call } from 'undici'
import type { CdfJob } from '../../src/cdf/cdf-job.ts'
import type { JobId } from '../../src/cdf/job-id.ts'
import type { JobQuality } from '../../src/jobs/job-quality.ts'
import { normalizeJob } from '../../src/jobs/normalize-job.ts'
import { JOB_QUALITY_SCHEMA } from '../../tools/openapi/schemas/job-quality.ts'
import { PORT } from './completed-job.ts'

/**
 * The functions of a cached response built from the usual plugins, each configured as its documentation shows, with its
 * cache where it has one. It does less than the service: no single flight, no problem details, no deadlines.
 */
const {
  ISSUER = '',
  AUDIENCE = '',
  ORIGIN = '',
  UPSTREAM_URL = '',
  UPSTREAM_PATH = '',
} = process.env

const app = Fastify({ logger: true })
const getJwks = buildGetJwks({ jwksPath: 'jwks', issuersWhitelist: [ISSUER] })
const cache = new LRUCache<string, JobQuality>({ max: 10_000, ttl: 86_400_000 })
collectDefaultMetrics()
const durations = new Histogram({
  name: 'http_request_duration_seconds',
  help: 'HTTP requests',
  labelNames: ['method', 'route', 'status'],
})

await app.register(helmet)
await app.register(cors, { origin: [ORIGIN], exposedHeaders: ['ETag', 'Age', 'X-Request-Id'] })
await app.register(underPressure, { maxEventLoopDelay: 1_000 })
await app.register(etag)
await app.register(jwt, {
  decode: { complete: true },
  secret: (_request: unknown, token: unknown) => {
    const { header } = token as { header: { kid: string; alg: string } }
    return getJwks.getPublicKey({ kid: header.kid, alg: header.alg, domain: ISSUER })
  },
  verify: { allowedIss: ISSUER, allowedAud: AUDIENCE, algorithms: ['RS256'], cache: 10_000 },
})
await app.register(rateLimit, {
  max: 1_000_000_000,
  timeWindow: 60_000,
  hook: 'preHandler',
  keyGenerator: ({ user }) => (user as { sub: string }).sub,
})
app.addHook('onRequest', async (request, reply) => {
  reply.header('x-request-id', request.id)
  await request.jwtVerify()
})
app.addHook('onResponse', async (request, reply) => {
  const { method, routeOptions } = request
  const labels = { method, route: routeOptions.url ?? '', status: reply.statusCode }
  durations.observe(labels, reply.elapsedTime / 1000)
})
app.addSchema(JOB_QUALITY_SCHEMA)

async function read(jobId: string): Promise<{ quality: JobQuality; isHit: boolean }> {
  const known = cache.get(jobId)
  if (known) return { quality: known, isHit: true }
  const { body } = await call(`${UPSTREAM_URL}${UPSTREAM_PATH}/${jobId}`)
  const job = (await body.json()) as CdfJob
  const { quality } = normalizeJob(jobId as JobId, job)
  cache.set(jobId, quality)
  return { quality, isHit: false }
}

const cacheStatusOf = (isHit: boolean) => `cdf-job-quality; ${isHit ? 'hit' : 'fwd=miss'}`

app.get<{ Params: { jobId: string } }>(
  '/jobs/:jobId/quality',
  {
    schema: {
      params: {
        type: 'object',
        properties: { jobId: { type: 'string', format: 'uuid' } },
        required: ['jobId'],
      },
      response: { 200: { $ref: 'JobQuality#' } },
    },
  },
  async (request, reply) => {
    const { quality, isHit } = await read(request.params.jobId)
    reply.headers({ 'cache-control': 'private, no-cache', 'cache-status': cacheStatusOf(isHit) })
    return quality
  },
)

app.get('/metrics', async (_request, reply) => {
  reply.type(register.contentType)
  return register.metrics()
})
await app.listen({ port: PORT, host: '127.0.0.1' })
