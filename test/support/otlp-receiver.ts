import type { Test } from 'tap'
import { startServer } from './local-server.ts'

/** A span as the collector received it. */
export interface ReceivedSpan {
  name: string
  kind: 'internal' | 'server' | 'client' | undefined
  traceId: string
  spanId: string
  parentSpanId: string | undefined
  /** Whether its status is an error. */
  failed: boolean
  statusMessage: string | undefined
  attributes: Record<string, string>
  /** The attributes of the resource, the process. */
  resource: Record<string, string>
}

/** A minimal trace collector. */
export interface OtlpReceiver {
  url: string
  /** In the order in which they arrived. */
  spans: ReceivedSpan[]
  /** All requests so far as text, headers included. */
  received: () => string
  /** The spans of one trace. */
  ofTrace: (traceId: string) => ReceivedSpan[]
}

interface KeyValue {
  key: string
  value: Record<string, unknown>
}

/** The members of an `ExportTraceServiceRequest` that the receiver reads. */
interface ExportRequest {
  resourceSpans: {
    resource: { attributes: KeyValue[] }
    scopeSpans: {
      spans: {
        name: string
        kind: number
        traceId: string
        spanId: string
        parentSpanId?: string
        status: { code: number; message?: string }
        attributes: KeyValue[]
      }[]
    }[]
  }[]
}

const KINDS = [undefined, 'internal', 'server', 'client'] as const
const STATUS_ERROR = 2

/**
 * Starts a collector that receives traces with OTLP as JSON over HTTP. It stops at the end of the test.
 * @see https://opentelemetry.io/docs/specs/otlp/#otlphttp
 */
export async function startOtlpReceiver(t: Test): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = []
  let received = ''
  const url = await startServer(t, async (request, response) => {
    let text = ''
    for await (const chunk of request.setEncoding('utf8')) text += chunk
    received += JSON.stringify(request.headers) + text
    if (request.url === '/v1/traces') spans.push(...spansIn(JSON.parse(text)))
    response.setHeader('content-type', 'application/json').end('{}')
  })
  return {
    url,
    spans,
    received: () => received,
    ofTrace: (traceId) => spans.filter((span) => span.traceId === traceId),
  }
}

function spansIn({ resourceSpans }: ExportRequest): ReceivedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap((scope) =>
      scope.spans.map(({ name, kind, traceId, spanId, parentSpanId, status, attributes }) => ({
        name,
        kind: KINDS[kind],
        traceId,
        spanId,
        parentSpanId,
        failed: status.code === STATUS_ERROR,
        statusMessage: status.message,
        attributes: byName(attributes),
        resource: byName(resource.attributes),
      })),
    ),
  )
}

function byName(attributes: KeyValue[]): Record<string, string> {
  return Object.fromEntries(
    attributes.map(({ key, value: { arrayValue, ...value } }) => [
      key,
      arrayValue ? JSON.stringify(arrayValue) : String(Object.values(value)[0]),
    ]),
  )
}
