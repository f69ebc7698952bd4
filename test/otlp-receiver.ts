import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

/** A span as a collector gets it, with its attributes by name. */
export interface ReceivedSpan {
  name: string
  kind: 'internal' | 'server' | 'client' | undefined
  traceId: string
  spanId: string
  parentSpanId: string | undefined
  /** True = its status is an error. */
  failed: boolean
  statusMessage: string | undefined
  attributes: Record<string, string>
  /** What the whole process says of itself. */
  resource: Record<string, string>
}

/** A collector of traces, as far as tests need one. */
export interface OtlpReceiver {
  url: string
  /** In the order of their arrival. */
  spans: ReceivedSpan[]
  /** Every byte that was received, headers included. */
  received: () => string
  /** Spans of one trace. */
  ofTrace: (traceId: string) => ReceivedSpan[]
}

interface KeyValue {
  key: string
  value: Record<string, unknown>
}

/** The parts of an `ExportTraceServiceRequest` that are read here. */
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
 * Receives traces by OTLP, JSON over HTTP, for one test.
 * @see https://opentelemetry.io/docs/specs/otlp/#otlphttp
 */
export async function startOtlpReceiver(t: Test): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = []
  let received = ''
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request.setEncoding('utf8')) text += chunk
    received += JSON.stringify(request.headers) + text
    if (request.url === '/v1/traces') spans.push(...spansIn(JSON.parse(text)))
    response.setHeader('content-type', 'application/json').end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
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
