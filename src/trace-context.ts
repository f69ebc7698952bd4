import { randomUUID } from 'node:crypto'

const TRACEPARENT =
  /^(?!ff)([0-9a-f]{2})-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/** What a `traceparent` says. */
export interface TraceParent {
  traceId: string
  /** The span that causes what comes next. */
  spanId: string
  sampled: boolean
}

/**
 * Reads a `traceparent`; `undefined` if there is none or an invalid one.
 * @see https://www.w3.org/TR/trace-context/#traceparent-header
 */
export function parseTraceparent(header: string | string[] | undefined): TraceParent | undefined {
  const match = typeof header === 'string' ? TRACEPARENT.exec(header) : null
  if (!match) return undefined
  const [, version, traceId = '', spanId = '', flags = '', more] = match
  // Version 00 has exactly four parts; a later version may have more, which must be ignored.
  if (version === '00' && more !== undefined) return undefined
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

/** Writes a `traceparent`. */
export function formatTraceparent({ traceId, spanId, sampled }: TraceParent): string {
  return `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`
}

/** What the calls of one request have in common. */
export type Trace = Pick<TraceParent, 'traceId' | 'sampled'>

/**
 * The trace that a `traceparent` names; a new one, not sampled, if there is none or an invalid one.
 * @param uuid a random one, whose digits become the id of a new trace
 */
export function traceOf(header: string | string[] | undefined, uuid?: string): Trace {
  return parseTraceparent(header) ?? { traceId: digitsOf(uuid ?? randomUUID()), sampled: false }
}

/** The `traceparent` to send upstream: this trace, with a new parent id. */
export function traceparentIn({ traceId, sampled }: Trace): string {
  return formatTraceparent({ traceId, spanId: digitsOf(randomUUID()).slice(16), sampled })
}

/** The `traceparent` to send upstream: the trace of that header, with a new parent id. */
export function continueTrace(header: string | string[] | undefined): string {
  return traceparentIn(traceOf(header))
}

/** Of a UUID, for which Node keeps random bytes in stock: a tenth of what `randomBytes` costs each request. */
function digitsOf(uuid: string): string {
  return (
    uuid.slice(0, 8) + uuid.slice(9, 13) + uuid.slice(14, 18) + uuid.slice(19, 23) + uuid.slice(24)
  )
}

/** Spans for what this process does, where they are recorded. */
export interface SpanRecorder {
  /** Makes a call in such a way that a span is recorded for it, which adds its own `traceparent`. */
  run: <Result>(traceparent: string | undefined, call: () => Result) => Result
  /** Ends the span of a request whose caller has hung up. */
  abandon: (request: object) => void
}

let recorder: SpanRecorder | undefined

/** From now on spans are recorded: of this process, like all that hears of its HTTP calls. */
export function recordSpans(spans: SpanRecorder): void {
  recorder = spans
}

/** What records spans, if they are recorded. */
export function spanRecorder(): SpanRecorder | undefined {
  return recorder
}

/**
 * Makes a call within a trace, and gives it the headers that say so; where spans are recorded, they say it.
 * @param traceparent of the trace that the call belongs to; `undefined` = one of its own
 */
export function callInTrace<Result>(
  traceparent: string | undefined,
  call: (headers: Record<string, string>) => Result,
): Result {
  return recorder
    ? recorder.run(traceparent, () => call({}))
    : call({ traceparent: traceparent ?? continueTrace(undefined) })
}
