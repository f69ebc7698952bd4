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

/** The last digits of a UUID, for which Node keeps random bytes in stock: a seventh of what `randomBytes` costs each request. */
function randomHex(digits: 16 | 32): string {
  return randomUUID().replaceAll('-', '').slice(-digits)
}

/**
 * The `traceparent` to send upstream: the caller's trace with a new parent id, or a new trace, not sampled,
 * if the caller sent none or an invalid one.
 */
export function continueTrace(header: string | string[] | undefined): string {
  const { traceId, sampled } = parseTraceparent(header) ?? {
    traceId: randomHex(32),
    sampled: false,
  }
  return formatTraceparent({ traceId, spanId: randomHex(16), sampled })
}

/**
 * Makes a call within a trace, and gives it the headers that say so.
 * @param traceparent of the trace that the call belongs to; `undefined` = one of its own
 */
export function callInTrace<Result>(
  traceparent: string | undefined,
  call: (headers: Record<string, string>) => Result,
): Result {
  return runInSpan
    ? runInSpan(traceparent, () => call({}))
    : call({ traceparent: traceparent ?? continueTrace(undefined) })
}

/** Makes a call in such a way that a span is recorded for it, which adds its own `traceparent`. */
export type RunInSpan = <Result>(traceparent: string | undefined, call: () => Result) => Result

let runInSpan: RunInSpan | undefined

/** From now on {@link callInTrace} leaves the header to spans: of this process, like all that hears of its HTTP calls. */
export function recordSpans(run: RunInSpan): void {
  runInSpan = run
}
