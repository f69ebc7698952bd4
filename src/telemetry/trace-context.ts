import { randomUUID } from 'node:crypto'

const TRACEPARENT =
  /^(?!ff)([0-9a-f]{2})-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/** The fields of a `traceparent` header. */
export interface TraceParent {
  traceId: string
  /** The parent span. */
  spanId: string
  sampled: boolean
}

/** The fields that all requests of one trace share. */
export type Trace = Pick<TraceParent, 'traceId' | 'sampled'>

/**
 * Parses a `traceparent` header; `undefined` if it is missing or invalid.
 * @see https://www.w3.org/TR/trace-context/#traceparent-header
 */
export function parseTraceparent(header: string | string[] | undefined): TraceParent | undefined {
  const match = typeof header === 'string' ? TRACEPARENT.exec(header) : null
  if (!match) return undefined
  const [, version, traceId = '', spanId = '', flags = '', more] = match
  // Version 00 has four fields. Later versions may add fields, which are ignored.
  if (version === '00' && more !== undefined) return undefined
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

/** Formats a `traceparent` header. */
export function formatTraceparent({ traceId, spanId, sampled }: TraceParent): string {
  return `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`
}

/**
 * The trace of a `traceparent` header. If it is missing or invalid: a new trace that is not sampled.
 * @param uuid whose digits become the id of a new trace
 */
export function traceFrom(
  header: string | string[] | undefined,
  uuid: string = randomUUID(),
): Trace {
  return parseTraceparent(header) ?? { traceId: hexDigits(uuid), sampled: false }
}

/** The `traceparent` header for an upstream request: the same trace, a new parent id. */
export function childTraceparent({ traceId, sampled }: Trace): string {
  return formatTraceparent({ traceId, spanId: hexDigits(randomUUID()).slice(16), sampled })
}

/** The 32 hexadecimal digits of a UUID. Node generates random bytes for UUIDs in advance, so they cost less than `randomBytes`. */
function hexDigits(uuid: string): string {
  return (
    uuid.slice(0, 8) + uuid.slice(9, 13) + uuid.slice(14, 18) + uuid.slice(19, 23) + uuid.slice(24)
  )
}

/** Connects the service with OpenTelemetry, where that is on. */
export interface SpanRecorder {
  /** Runs a function that sends an HTTP request. The recorder adds the `traceparent` header itself. */
  run: <Result>(traceparent: string | undefined, call: () => Result) => Result
  /** Ends the span of a request that its caller aborted. */
  abort: (request: object) => void
}

let recorder: SpanRecorder | undefined

/** Turns on span recording for the process; OpenTelemetry itself is global. */
export function setSpanRecorder(spanRecorder: SpanRecorder): void {
  recorder = spanRecorder
}

/** The span recorder, if one is set. */
export function getSpanRecorder(): SpanRecorder | undefined {
  return recorder
}

/**
 * Calls a function with the trace headers for an upstream request; without headers if a span recorder adds them.
 * @param traceparent starts a new trace if absent
 */
export function withTraceHeaders<Result>(
  traceparent: string | undefined,
  call: (headers: Record<string, string>) => Result,
): Result {
  return recorder
    ? recorder.run(traceparent, () => call({}))
    : call({ traceparent: traceparent ?? childTraceparent(traceFrom(undefined)) })
}
