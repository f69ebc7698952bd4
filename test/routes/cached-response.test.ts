import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Test } from 'tap'
import t from 'tap'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import { JOB_ID, jobIdOf } from '../support/fixtures.ts'
import { type Service, startService } from '../support/start-service.ts'

const ORIGIN = 'https://front-end.example'
const PATH = `/jobs/${JOB_ID}/quality`
const LIST = `/jobs/quality?jobId=${JOB_ID}&jobId=${jobIdOf(1)}`
const RUNNING = `/jobs/${jobIdOf(1)}/quality`

/** A service with all features on. A Completed and a Running job and the token are cached. */
async function startCached(t: Test, environment: Record<string, string> = {}) {
  const service = await startService(t, {
    clock: 'fake',
    environment: {
      AUTH_MODE: 'jwt',
      RATE_LIMIT_PER_MINUTE: '1000',
      CORS_ORIGINS: ORIGIN,
      LOG_LEVEL: 'info',
      ...environment,
    },
  })
  const { simulator, get } = service
  simulator.cdf.addJob(lasting(JOB_ID, 'Completed', { ...SCORES, errorMessage: 'Ωmega' }))
  simulator.cdf.addJob(lasting(jobIdOf(1), 'Running'))
  const authorization = `Bearer ${await simulator.identityProvider.signCallerToken()}`
  for (const path of [PATH, RUNNING]) t.equal((await get(path, { authorization })).status, 200)
  return { ...service, authorization }
}

/** Status and headers as sent, without the date and without the number of requests that are left. */
async function headersOf(
  { port }: Service,
  method: string,
  path: string,
  headers: Record<string, string>,
): Promise<string[]> {
  const response = await new Promise<IncomingMessage>((resolve) => {
    httpRequest({ host: '127.0.0.1', port, method, path, headers }, resolve).end()
  })
  response.resume()
  const { rawHeaders } = response
  const lines = rawHeaders.flatMap((name, index) =>
    index % 2 === 0 && name !== 'Date' ? [`${name.toLowerCase()}: ${rawHeaders[index + 1]}`] : [],
  )
  const withoutCount = lines.map((line) => line.replace(/^(ratelimit: .*;r=)\d+/, '$1…'))
  return [`${response.statusCode}`, ...withoutCount.sort()]
}

const callers: [
  name: string,
  environment: Record<string, string>,
  headers: Record<string, string>,
][] = [
  ['a service', {}, {}],
  ['a front end', {}, { origin: ORIGIN }],
  ['a front end of another origin', {}, { origin: 'https://other.example' }],
  ['a front end with CORS_ORIGINS=*', { CORS_ORIGINS: '*' }, { origin: ORIGIN }],
  ['a front end without CORS', { CORS_ORIGINS: '' }, { origin: ORIGIN }],
]
for (const [name, environment, headers] of callers) {
  t.test(`sends the same headers to ${name} as reply.send`, async (t) => {
    const service = await startCached(t, environment)
    const { authorization, get } = service
    const asked = { ...headers, authorization, 'x-request-id': 'mine' }
    for (const path of [PATH, RUNNING, LIST]) {
      // A HEAD request uses reply.send and all hooks.
      t.strictSame(
        await headersOf(service, 'GET', path, asked),
        await headersOf(service, 'HEAD', path, asked),
      )
      const etag = (await get(path, asked)).headers.get('etag') ?? ''
      const unchanged = { ...asked, 'if-none-match': etag }
      const ofBody = /^content-/
      t.strictSame(
        await headersOf(service, 'GET', path, unchanged),
        (await headersOf(service, 'HEAD', path, unchanged)).filter(
          (line) => !ofBody.test(line) || line.startsWith('content-security'),
        ),
      )
    }
  })
}

t.test('sends the same headers for a miss as reply.send', async (t) => {
  const service = await startCached(t)
  const { authorization, simulator } = service
  const headers = { authorization, origin: ORIGIN, 'x-request-id': 'mine' }
  for (const status of ['Completed', 'Running'] as const) {
    const [byGet = '', byHead = ''] = [`2${status.length}`, `3${status.length}`].map((number) => {
      const jobId = jobIdOf(Number(number))
      simulator.cdf.addJob(lasting(jobId, status, status === 'Completed' ? SCORES : {}))
      return `/jobs/${jobId}/quality`
    })
    const [got, asHead] = [
      await headersOf(service, 'GET', byGet, headers),
      await headersOf(service, 'HEAD', byHead, headers),
    ]
    t.ok(got.includes('cache-status: cdf-job-quality; fwd=miss'))
    // Each job has its own tag.
    const withoutTag = (lines: string[]) => lines.filter((line) => !line.startsWith('etag: '))
    t.equal(withoutTag(got).length, got.length - 1)
    t.strictSame(withoutTag(got), withoutTag(asHead))
  }
})

t.test('sends a hit before the request event returns', async (t) => {
  const { app, get, authorization, logs } = await startCached(t)
  let ended: boolean[] = []
  let heads = 0
  const bodies: unknown[] = []
  // Before and after Fastify's listener, which handles a request up to its first promise.
  app.server.prependListener('request', (_request, response: ServerResponse) => {
    const { writeHead, end } = response
    response.writeHead = ((...args: Parameters<typeof writeHead>) => {
      heads += 1
      return writeHead.apply(response, args)
    }) as typeof writeHead
    response.end = ((...args: Parameters<typeof end>) => {
      bodies.push(args[0])
      return end.apply(response, args)
    }) as typeof end
  })
  app.server.on('request', (_request, response: ServerResponse) => {
    ended.push(response.writableEnded)
  })
  const first = await get(PATH, { authorization })
  const { headers, text } = await get(PATH, { authorization })
  t.equal(headers.get('cache-status'), 'cdf-job-quality; hit')
  t.strictSame(ended, [true, true], 'no asynchronous hook, no promise, no signature check')
  t.equal(heads, 2, 'one head per response')
  t.type(bodies[0], 'string', 'the cached string, which is sent with the head in one packet')
  t.equal(bodies[0], bodies[1])
  t.equal(text, first.text)
  t.equal(Number(headers.get('content-length')), Buffer.byteLength(text))

  ended = []
  const etag = headers.get('etag') ?? ''
  t.equal((await get(PATH, { authorization, 'if-none-match': etag })).status, 304)
  t.equal(
    (await get(`${PATH}?a`, { authorization, origin: ORIGIN, traceparent: 'no' })).status,
    200,
  )
  t.strictSame(ended, [true, true])

  ended = []
  t.equal((await get(PATH, { authorization: `${authorization}x` })).status, 401)
  t.strictSame(ended, [false], 'an unknown token is verified asynchronously')
  t.equal(logs.filter(({ msg, status }) => msg === 'request' && status === 200).length, 5)
})
