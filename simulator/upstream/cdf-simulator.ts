import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import { Faults } from './fault.ts'
import { responseBody, type SimulatedJob } from './simulated-job.ts'

/** A request that the simulator received. */
export interface ReceivedRequest {
  jobId: string
  /** Lower-case names and their values, in the order in which they were sent. */
  headers: [string, string][]
  /** Whether the client disconnected before it had the whole response. */
  aborted: boolean
}

/** Which access tokens CDF accepts. */
export interface TokenRules {
  issuer: string
  audience: string
  jwks: JSONWebKeySet
}

/**
 * CDF's endpoint for the status of an estimate quality job, as the API reference describes it. It checks the signature,
 * issuer, audience and expiry of the access token, requires `cdf-version`, and records every request.
 */
export class CdfSimulator {
  readonly project: string
  readonly faults = new Faults()
  /** Every request for a job, oldest first. */
  readonly requests: ReceivedRequest[] = []
  readonly #jobs = new Map<string, { job: SimulatedJob; createdMs: number }>()
  readonly #now: () => number
  readonly #rules: TokenRules
  readonly #jwks: ReturnType<typeof createLocalJWKSet>
  readonly #seenTokens = new Set<string>()
  readonly #revokedTokens = new Set<string>()

  /** @param now the current time, milliseconds since the epoch */
  constructor(project: string, rules: TokenRules, now: () => number = Date.now) {
    this.project = project
    this.#rules = rules
    this.#jwks = createLocalJWKSet(rules.jwks)
    this.#now = now
  }

  /** Adds a job that is created now. */
  addJob(job: SimulatedJob): void {
    this.#jobs.set(job.jobId.toLowerCase(), { job, createdMs: this.#now() })
  }

  /** Number of requests for a job, whose id may be in any case. */
  readsOf(jobId: string): number {
    const id = jobId.toLowerCase()
    return this.requests.filter((request) => request.jobId.toLowerCase() === id).length
  }

  /** Rejects every access token that was used so far. */
  revokeTokens(): void {
    for (const token of this.#seenTokens) this.#revokedTokens.add(token)
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '/', 'http://cdf')
    const [project, jobId] =
      pathname
        .match(/^\/api\/v1\/projects\/([^/]+)\/advancedjoins\/estimatequality\/([^/]+)$/)
        ?.slice(1) ?? []
    if (project === undefined || jobId === undefined || request.method !== 'GET')
      return sendError(response, 404, 'Not found')

    const received: ReceivedRequest = { jobId, headers: headersOf(request), aborted: false }
    this.requests.push(received)
    response.on('close', () => {
      received.aborted = !response.writableFinished
    })
    if (await this.faults.apply(request, response)) return

    if (!(await this.#isAuthorized(request)) || project !== this.project)
      return sendError(response, 401, 'Unauthorized')
    if (!request.headers['cdf-version']) {
      return sendError(response, 400, 'this feature is only available with cdf-version alpha')
    }
    const entry = this.#jobs.get(jobId.toLowerCase())
    if (!entry) return sendError(response, 404, 'Job not found')
    send(response, 200, responseBody(entry.job, entry.createdMs, this.#now()))
  }

  async #isAuthorized(request: IncomingMessage): Promise<boolean> {
    const token = request.headers.authorization?.match(/^Bearer (\S+)$/)?.[1]
    if (token === undefined) return false
    this.#seenTokens.add(token)
    if (this.#revokedTokens.has(token)) return false
    const { issuer, audience } = this.#rules
    return jwtVerify(token, this.#jwks, { issuer, audience }).then(
      () => true,
      () => false,
    )
  }
}

function headersOf({ rawHeaders }: IncomingMessage): [string, string][] {
  return Array.from({ length: rawHeaders.length / 2 }, (_, index) => [
    (rawHeaders[2 * index] as string).toLowerCase(),
    rawHeaders[2 * index + 1] as string,
  ])
}

function sendError(response: ServerResponse, code: number, message: string): void {
  send(response, code, { error: { code, message } })
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', 'x-request-id': randomUUID() })
  response.end(JSON.stringify(body))
}
