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
import type { SpanRecorder } from '../src/telemetry/trace-context.ts'
import {
  formatTraceparent,
  parseTraceparent,
  setSpanRecorder,
} from '../src/telemetry/trace-context.ts'

/** Limit for sending the last spans during shutdown. */
const FLUSH_LIMIT_MS = 1_500

/** The status of a span whose caller disconnected; the same as in the access log. */
const CLIENT_CLOSED_REQUEST = 499

/** The attribute's name in the semantic conventions. */
const STATUS_CODE = 'http.response.status_code'

/**
 * Records spans for requests and for upstream requests, and exports them to a collector (OTLP, JSON over HTTP). The SDK
 * reads its `OTEL_…` variables itself. Call it before the app is built: the instrumentations subscribe to the
 * `node:diagnostics_channel` of Fastify and undici.
 * @param onFailure called once, after the first failed export
 * @returns a function that exports the last spans
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
    // Spans for each hook and handler add nothing to the span of the request.
    instrumentHooks: false,
    instrumentHandler: false,
    ignorePaths: ({ url }) => url.startsWith('/health/'),
    requestHook: describeRequest,
  })
  // CDF logs the request id too.
  new UndiciInstrumentation({ headersToSpanAttributes: { requestHeaders: ['x-request-id'] } })
  setSpanRecorder({ run: runInSpan, abort: endAborted })
  return () => Promise.race([provider.shutdown().catch(() => {}), sleep(FLUSH_LIMIT_MS)])
}

/** Propagates `traceparent` only: CDF gets neither `tracestate` nor `baggage`. */
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
 * Names the span of a request by the route's pattern, as in the access log: a URL can hold secrets.
 */
function describeRequest(span: Span, { method, routeOptions, raw }: FastifyRequest): void {
  const route = routeOptions.url
  span.updateName(route ? `${method} ${route}` : method)
  span.setAttribute('url.path', route ?? '')
  raw.headers.traceparent = traceparentOf(span.spanContext())
  spans.set(raw, span)
}

const spans = new WeakMap<object, Span>()

/** Without a response, no hook ends the span. */
function endAborted(request: object): void {
  const span = spans.get(request)
  if (span?.isRecording()) span.setAttribute(STATUS_CODE, CLIENT_CLOSED_REQUEST).end()
}

/**
 * An upstream request is a child of the active span if that belongs to the same trace. Otherwise its request is over,
 * or there is none, and it starts a new trace.
 */
const runInSpan: SpanRecorder['run'] = (traceparent, call) => {
  const active = trace.getSpanContext(context.active())
  const belongs = active && active.traceId === parseTraceparent(traceparent)?.traceId
  return context.with(belongs ? context.active() : ROOT_CONTEXT, call)
}

/**
 * Removes error messages from spans, because they can hold parts of responses. The error's name stays.
 */
class DiscreetProcessor extends BatchSpanProcessor {
  override onEnd(span: ReadableSpan): void {
    // The span of the handler for unknown routes.
    if (span.kind === SpanKind.INTERNAL) return
    super.onEnd(Object.assign(span, { status: statusOf(span), events: [] }))
  }
}

function statusOf({ kind, status, events, attributes }: ReadableSpan): ReadableSpan['status'] {
  if (status.code !== SpanStatusCode.ERROR) return status
  // A 4xx, such as an unknown job, is not an error of the service.
  const isAnswer = kind === SpanKind.SERVER && Number(attributes[STATUS_CODE]) < 500
  if (isAnswer) return { code: SpanStatusCode.UNSET }
  const type = events[0]?.attributes?.['exception.type']
  if (typeof type !== 'string') return { code: status.code }
  // The instrumentation reports a DOMException by its number.
  const isTimeout = type === String(DOMException.TIMEOUT_ERR)
  return { code: status.code, message: isTimeout ? 'TimeoutError' : type }
}
