import { setTimeout as sleep } from 'node:timers/promises'
import { FastifyOtelInstrumentation } from '@fastify/otel'
import type { Span, TextMapPropagator } from '@opentelemetry/api'
import { context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { setGlobalErrorHandler } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { UndiciInstrumentation } from '@opentelemetry/instrumentation-undici'
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources'
import type { ReadableSpan } from '@opentelemetry/sdk-trace-node'
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node'
import type { FastifyRequest } from 'fastify'
import packageJson from '../package.json' with { type: 'json' }
import type { SpanRecorder } from '../src/trace-context.ts'
import { formatTraceparent, parseTraceparent, recordSpans } from '../src/trace-context.ts'

/** A collector that does not answer holds up the end of the process no longer than this. */
const FLUSH_LIMIT_MS = 1_500

/** The status that a span gets whose caller has hung up; the same as in the log. */
const CALLER_GONE = 499

/** An attribute by its name in the semantic conventions. */
const STATUS_CODE = 'http.response.status_code'

/**
 * Records spans for requests, calls to CDF and to identity providers, and sends them to a collector (OTLP, JSON over
 * HTTP); `OTEL_…` variables, which the SDK reads itself, say where to and how many. To be called before the app is built:
 * both instrumentations listen to what Fastify and undici tell over `node:diagnostics_channel`.
 * @param onFailure told once, the first time that spans cannot be sent
 * @returns what sends the rest at the end
 * @see https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 */
export function startTracing(onFailure: (error: unknown) => void): () => Promise<void> {
  let hasFailed = false
  setGlobalErrorHandler((error) => {
    if (!hasFailed) onFailure(error)
    hasFailed = true
  })
  const provider = new NodeTracerProvider({
    resource: defaultResource()
      .merge(
        resourceFromAttributes({
          'service.name': packageJson.name,
          'service.version': packageJson.version,
        }),
      )
      .merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new DiscreetProcessor(new OTLPTraceExporter())],
  })
  provider.register({ propagator: traceparentOnly })
  new FastifyOtelInstrumentation({
    registerOnInitialization: true,
    // A span for each hook and handler would tell nothing that the one of the request does not.
    instrumentHooks: false,
    instrumentHandler: false,
    ignorePaths: ({ url }) => url.startsWith('/health/'),
    requestHook: describeRequest,
  })
  // By its request id, a call is found in the log of CDF as well as in ours.
  new UndiciInstrumentation({ headersToSpanAttributes: { requestHeaders: ['x-request-id'] } })
  recordSpans({ run: runInSpan, abandon })
  return () => Promise.race([provider.shutdown().catch(() => {}), sleep(FLUSH_LIMIT_MS)])
}

/** Only `traceparent`, read and written as without OpenTelemetry: CDF gets neither `tracestate` nor `baggage`. */
const traceparentOnly: TextMapPropagator = {
  fields: () => ['traceparent'],
  inject(within, carrier, setter) {
    const span = trace.getSpanContext(within)
    if (span) setter.set(carrier, 'traceparent', traceparentOf(span))
  },
  extract(within, carrier, getter) {
    const parent = parseTraceparent(getter.get(carrier, 'traceparent'))
    if (!parent) return within
    const { traceId, spanId, sampled } = parent
    return trace.setSpanContext(within, {
      traceId,
      spanId,
      traceFlags: sampled ? 1 : 0,
      isRemote: true,
    })
  },
}

function traceparentOf({ traceId, spanId, traceFlags }: ReturnType<Span['spanContext']>): string {
  return formatTraceparent({ traceId, spanId, sampled: (traceFlags & 1) === 1 })
}

/**
 * Names a request's span by the route's pattern, as the log does: what stands in a URL may be anything, a token pasted
 * to the wrong place included.
 */
function describeRequest(span: Span, { method, routeOptions, raw }: FastifyRequest): void {
  const route = routeOptions.url
  span.updateName(route ? `${method} ${route}` : method)
  span.setAttribute('url.path', route ?? '')
  raw.headers.traceparent = traceparentOf(span.spanContext())
  spans.set(raw, span)
}

const spans = new WeakMap<object, Span>()

/** No answer is sent to a caller who has hung up, and so no hook of one ends the span. */
function abandon(request: object): void {
  const span = spans.get(request)
  if (span?.isRecording()) span.setAttribute(STATUS_CODE, CALLER_GONE).end()
}

/**
 * A call belongs to the request in whose course it is made, as long as that is of the trace that the call was given.
 * Otherwise its request is over, or there never was one, and it begins a trace of its own.
 */
const runInSpan: SpanRecorder['run'] = (traceparent, call) => {
  const active = trace.getSpanContext(context.active())
  const belongs = active && active.traceId === parseTraceparent(traceparent)?.traceId
  return context.with(belongs ? context.active() : ROOT_CONTEXT, call)
}

/**
 * Takes from spans what may not leave the process: texts of errors, which can hold parts of what was received. What an
 * error was called is enough.
 */
class DiscreetProcessor extends BatchSpanProcessor {
  override onEnd(span: ReadableSpan): void {
    // Only the wrapper that the handler of unknown routes gets, whatever was asked for.
    if (span.kind === SpanKind.INTERNAL) return
    super.onEnd(Object.assign(span, { status: statusOf(span), events: [] }))
  }
}

function statusOf({ kind, status, events, attributes }: ReadableSpan): ReadableSpan['status'] {
  if (status.code !== SpanStatusCode.ERROR) return status
  // What began as an error here, such as an unknown job, is a good answer all the same.
  const isAnswer = kind === SpanKind.SERVER && Number(attributes[STATUS_CODE]) < 500
  if (isAnswer) return { code: SpanStatusCode.UNSET }
  const type = events[0]?.attributes?.['exception.type']
  if (typeof type !== 'string') return { code: status.code }
  // By its number, the reason of `AbortSignal.timeout` says nothing to anybody.
  const isTimeout = type === String(DOMException.TIMEOUT_ERR)
  return { code: status.code, message: isTimeout ? 'TimeoutError' : type }
}
