import { randomUUID } from 'node:crypto'
import type { Dispatcher } from 'undici'
import { SYSTEM_CLOCK } from '../async/clock.ts'
import { fetchJwks, type JwksSource } from '../auth/callers/fetch-jwks.ts'
import type { AuthorizationServer } from '../auth/service/client-credentials.ts'
import type { CdfRequest } from '../cdf/cdf-client.ts'
import type { CdfJob } from '../cdf/cdf-job.ts'
import { createCdfClient } from '../cdf/create-cdf-client.ts'
import type { JobId } from '../cdf/job-id.ts'
import { WaitingCallers } from '../cdf/resilience/waiting-callers.ts'
import type { Config } from '../config/config.ts'
import { httpAgent } from '../http/agent.ts'
import { hostAndPort } from '../http/host-and-port.ts'
import { normalizeJob } from '../jobs/normalize-job.ts'
import { ProblemError } from '../problems/problem.ts'
import { childTraceparent, traceFrom } from '../telemetry/trace-context.ts'
import { checkRedis } from './check-redis.ts'
import type { Finding } from './finding.ts'
import { connectionHint, hintFor } from './hints.ts'

/**
 * Gets an access token, the JWKS of callers' issuer and one response of CDF, and uses Redis if it is configured, all in
 * the same way as the service. Reports what was tried, what came back and what to do.
 * @param jobId the job to read; default: a random id that CDF does not know
 * @param print receives the lines of the report, without a line break; no line holds a secret or a token
 * @returns whether all of it succeeded
 */
export async function runChecks(
  config: Config,
  jobId: JobId | undefined,
  print: (line: string) => void,
): Promise<boolean> {
  const dispatcher = httpAgent({ proxies: config.outbound.proxies() })
  try {
    return await check(config, dispatcher, jobId, print)
  } finally {
    await dispatcher.destroy()
  }
}

async function check(
  config: Config,
  dispatcher: Dispatcher,
  jobId: JobId | undefined,
  print: (line: string) => void,
): Promise<boolean> {
  const requests: CdfRequest[] = []
  let certificateExpiry = ''
  const options = { ...config, ...SYSTEM_CLOCK, dispatcher }
  const { client, tokens } = createCdfClient(options, {
    onTokenRequestEnd: () => {},
    onExpiredCertificate: (expiredAt) => {
      certificateExpiry = `The certificate in IDP_CLIENT_KEY_FILE has expired on ${expiredAt}.`
    },
    onBreakerChange: () => {},
    onPause: () => {},
    onRequestEnd: (request) => requests.push(request),
  })
  const report = async (name: string, check: () => Promise<Finding>): Promise<boolean> => {
    const { ok, text, details } = await check()
    print(`${ok ? 'ok    ' : 'FAILED'}  ${name}: ${text}`)
    for (const line of details?.split('\n') ?? []) print(`        ${line}`)
    return ok
  }

  const { cdf, identityProvider, auth, upstream, redis } = config
  // A query can hold a key.
  const { origin, pathname } = urlOf(identityProvider.server)
  const idp = origin + pathname
  print(`ok      configuration: project ${cdf.project} at ${cdf.baseUrl}, token from ${idp}`)
  const tokenOk = await report('access token for CDF', async () => {
    const finding = await checkToken(identityProvider.server, () => tokens.get())
    const details = [finding.details, certificateExpiry].filter(Boolean).join('\n')
    return { ...finding, details: details || undefined }
  })
  const jwksOk = await report("JWKS of callers' issuer", () =>
    checkJwks(auth.jwt && { ...auth.jwt, dispatcher }),
  )
  const redisOk = await report('Redis', () => checkRedis({ redis, cdf, identityProvider }))
  const readJob = (jobId: JobId) =>
    client.getEstimateQualityJob(jobId, {
      signal: new AbortController().signal,
      deadlineMs: upstream.deadlineMs,
      callers: new WaitingCallers('check'),
      requestId: randomUUID(),
      traceparent: childTraceparent(traceFrom(undefined)),
    })
  const cdfOk = await report('CDF', async () =>
    tokenOk
      ? checkCdf(cdf.baseUrl, jobId, requests, readJob)
      : { ok: false, text: 'not tried without an access token' },
  )
  return tokenOk && jwksOk && redisOk && cdfOk
}

function urlOf(server: AuthorizationServer): URL {
  return 'issuer' in server ? server.issuer : server.tokenUrl
}

async function checkToken(
  server: AuthorizationServer,
  getToken: () => Promise<{ requestedAtMs: number; expiresAtMs: number }>,
): Promise<Finding> {
  try {
    const { requestedAtMs, expiresAtMs } = await getToken()
    const host = hostAndPort(urlOf(server).href)
    const seconds = (expiresAtMs - requestedAtMs) / 1000
    return { ok: true, text: `${host} has issued a token for ${seconds} s` }
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error
    const { code, cause } = error
    const text = `${code}, ${cause instanceof Error ? cause.message : ''}`
    return { ok: false, text, details: hintFor(code, cause) }
  }
}

async function checkJwks(source: JwksSource | undefined): Promise<Finding> {
  if (!source) return { ok: true, text: 'not needed with AUTH_MODE=none' }
  try {
    const { keys } = await fetchJwks(source)
    const host = hostAndPort(source.jwksUrl ?? source.issuer)
    return { ok: true, text: `keys for signatures from ${host}: ${keys.length}` }
  } catch (error) {
    const text = error instanceof Error ? error.message : ''
    return { ok: false, text, details: hintFor('caller-keys-unavailable', error) }
  }
}

async function checkCdf(
  cdfUrl: string,
  jobId: JobId | undefined,
  requests: readonly CdfRequest[],
  read: (jobId: JobId) => Promise<CdfJob>,
): Promise<Finding> {
  // A random UUID is in canonical form.
  const id = jobId ?? (randomUUID() as string as JobId)
  const host = hostAndPort(cdfUrl)
  try {
    const { quality, deviations } = normalizeJob(id, await read(id))
    const text = `${host} has sent job ${id}`
    const unexpected =
      deviations.length > 0 ? [`Not as in CDF's reference: ${deviations.join(', ')}`] : []
    return { ok: true, text, details: [JSON.stringify(quality, null, 2), ...unexpected].join('\n') }
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error
    return failedRead(error, requests.at(-1), host, jobId)
  }
}

function failedRead(
  { code, cause }: ProblemError,
  request: CdfRequest | undefined,
  host: string,
  jobId: JobId | undefined,
): Finding {
  const { status = null, requestId = null } = request?.upstream ?? {}
  const answer =
    status === null
      ? `no response of ${host}: ${request?.failure ?? 'not sent'}`
      : `${host} answered with status ${status}, x-request-id ${requestId ?? 'missing'}`
  const isUnknownJob = code === 'job-not-found'
  if (isUnknownJob && jobId === undefined && status !== 403 && requestId !== null) {
    const text = `${answer}, as expected for a random job id: project, token and access are right`
    return { ok: true, text }
  }
  // What the proxy did, or the name of an error and its code, such as `Error ECONNREFUSED`.
  const failure = request?.failure ?? ''
  const errorCode = failure.startsWith('proxy ') ? 'ProxyError' : failure.split(' ').at(-1)
  const hint = connectionHint(errorCode ?? '')
  const details = isUnknownJob ? notFoundHint(jobId, requestId) : (hint ?? hintFor(code, cause))
  return { ok: false, text: `${code}, ${answer}`, details }
}

function notFoundHint(jobId: JobId | undefined, requestId: string | null): string {
  if (requestId === null)
    return 'CDF sends an x-request-id. Check that CDF_URL leads to CDF and not to another server.'
  // CDF sends the same 403 for a job that does not exist and for one that the identity may not read.
  return jobId === undefined
    ? 'CDF does not say whether the job or the access is missing. Check that the CDF group of the service has entitymatchingAcl:READ, then repeat the check with --job and the id of a real job.'
    : 'CDF does not know this job, or hides it from this identity. Check the id, CDF_PROJECT and the groups of the identity in CDF.'
}
