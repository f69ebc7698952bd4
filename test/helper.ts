import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import type { Fault } from '../simulator/fault.ts'
import type { Simulator, SimulatorOptions } from '../simulator/start-simulator.ts'
import { startSimulator } from '../simulator/start-simulator.ts'
import type { After } from '../src/after.ts'
import { buildApp } from '../src/app.ts'
import { loadConfig } from '../src/config.ts'

/** The job of the fixtures. */
export const JOB_ID = '6f1c2a34-8b0e-4d57-9f2c-1a7be0c94d21'

/** What of headers CDF gets, in the order of the alphabet: those of the contract, and what HTTP itself needs. */
export const HEADERS_AT_CDF = [
  'accept',
  'authorization',
  'cdf-version',
  'connection',
  'host',
  'traceparent',
  'user-agent',
  'x-cdp-app',
  'x-cdp-sdk',
  'x-request-id',
]

/** Another UUID for each number. */
export const jobIdOf = (number: number) =>
  `00000000-0000-4000-8000-${number.toString(16).padStart(12, '0')}`

/** A clock that moves when it is told to, and timers that go by it. */
export class FakeClock {
  nowMs = 1_000_000
  /** What is to be done later. */
  readonly timers = new Set<{ dueMs: number; work: () => void }>()
  readonly now = () => this.nowMs
  readonly after: After = (delayMs, work) => {
    const timer = { dueMs: this.nowMs + delayMs, work }
    this.timers.add(timer)
    return () => this.timers.delete(timer)
  }
  advance(ms: number): void {
    const endMs = this.nowMs + ms
    for (;;) {
      const [next] = [...this.timers].sort((a, b) => a.dueMs - b.dueMs)
      if (!next || next.dueMs > endMs) break
      this.timers.delete(next)
      this.nowMs = Math.max(this.nowMs, next.dueMs)
      next.work()
    }
    this.nowMs = endMs
  }
}

/** A service on a real socket, with a CDF and an identity provider of its own. */
export interface Service {
  url: string
  port: number
  app: FastifyInstance
  simulator: Simulator
  /** Every line logged so far, parsed. */
  logs: Record<string, unknown>[]
  /** Moves the service's clock; without `clock: 'fake'` it is the real one. */
  clock: FakeClock
  /** GET, redirects not followed. */
  get: (path: string, headers?: Record<string, string>) => Promise<Answer>
  quality: (jobId?: string, headers?: Record<string, string>) => Promise<Answer>
}

/** An answer, read. */
export interface Answer {
  status: number
  headers: Headers
  text: string
  /** Parsed, if it is JSON. */
  body: unknown
}

/** Options of {@link startService}. */
export interface ServiceOptions {
  environment?: Record<string, string>
  simulator?: SimulatorOptions
  clock?: 'fake' | 'real'
  /** Called before the service starts. */
  prepare?: (simulator: Simulator) => void
}

/** Starts a service for one test; it ends with it. */
export async function startService(t: Test, options: ServiceOptions = {}): Promise<Service> {
  const simulator = await startSimulator(options.simulator)
  t.teardown(() => simulator.close())
  options.prepare?.(simulator)
  const logs: Record<string, unknown>[] = []
  const clock = new FakeClock()
  const config = loadConfig({
    ...simulator.environment,
    AUTH_MODE: 'none',
    METRICS_PORT: '0',
    ...options.environment,
  })
  const app = await buildApp(config, {
    ...(options.clock === 'fake' && { now: clock.now, after: clock.after }),
    random: () => 0,
    logDestination: { write: (line) => logs.push(JSON.parse(line)) },
  })
  t.teardown(() => app.close())
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const get = (path: string, headers: Record<string, string> = {}) =>
    request(`${url}${path}`, { headers })
  return {
    url,
    port,
    app,
    simulator,
    logs,
    clock,
    get,
    quality: (jobId = JOB_ID, headers = {}) => get(`/jobs/${jobId}/quality`, headers),
  }
}

/** One request; redirects are not followed. */
export async function request(url: string, options: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, { redirect: 'manual', ...options })
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json') && text !== ''
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: isJson ? JSON.parse(text) : undefined,
  }
}

/** Sends bytes over a socket of its own and reads until the other side ends. */
export function sendRaw(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes, 'latin1'))
    let answer = ''
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => {
      answer += chunk
    })
    socket.on('close', () => resolve(answer))
    // A reset after the answer is an end as well.
    socket.on('error', (error) => (answer === '' ? reject(error) : resolve(answer)))
  })
}

/** Asserts that an answer, raw or not, is this problem, with everything that every problem has. */
export function assertProblem(
  t: Test,
  { status, headers, body }: Pick<Answer, 'status' | 'headers' | 'body'>,
  expectedStatus: number,
  code: string,
): void {
  t.equal(status, expectedStatus)
  t.equal(headers.get('content-type'), 'application/problem+json')
  t.equal(headers.get('cache-control'), 'no-store')
  t.equal(headers.get('x-content-type-options'), 'nosniff')
  t.equal(headers.get('referrer-policy'), 'no-referrer')
  t.equal(headers.get('content-security-policy'), "default-src 'none'; frame-ancestors 'none'")
  const requestId = headers.get('x-request-id')
  t.match(requestId, /^[A-Za-z0-9._-]{1,64}$/)
  t.match(body, { type: `/problems/${code}`, status, code, requestId })
}

/** The pieces of a raw answer. */
export function parseRaw(answer: string): {
  status: number
  headers: Headers
  body: Record<string, unknown>
} {
  const end = answer.indexOf('\r\n\r\n')
  const [statusLine = '', ...lines] = answer.slice(0, end).split('\r\n')
  const headers = new Headers(
    lines.map((line) => [
      line.slice(0, line.indexOf(':')),
      line.slice(line.indexOf(':') + 1).trim(),
    ]),
  )
  const body = answer.slice(end + 4)
  return { status: Number(statusLine.split(' ')[1]), headers, body: body ? JSON.parse(body) : {} }
}

/** A body of CDF or of a token endpoint, made up from the published schemas. */
export interface Fixture {
  file: string
  status: number
  headers: Record<string, string>
  note: string
}

const folder = new URL('fixtures/cdf/', import.meta.url)

/** Every fixture, as their index lists them. */
export const FIXTURES: readonly Fixture[] = JSON.parse(
  readFileSync(new URL('index.json', folder), 'utf8'),
).fixtures

/** The bytes of a fixture. */
export function fixtureText(file: string): string {
  return readFileSync(new URL(file, folder), 'utf8')
}

/** A fixture as what a server answers. */
export function fixtureFault(file: string): Fault & { status: number } {
  const fixture = FIXTURES.find((candidate) => candidate.file === file)
  if (!fixture) throw new Error(`no fixture ${file}`)
  return { status: fixture.status, headers: fixture.headers, body: fixtureText(file) }
}

/** A port of the loopback interface that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Resolves as soon as the condition holds; the test's own time limit ends a wait in vain. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2))
}
