import t from 'tap'
import { tracingSettings } from '../../src/telemetry/tracing-settings.ts'

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' }

const off: [name: string, environment: Record<string, string>][] = [
  ['without an endpoint', {}],
  ['with an empty endpoint', { OTEL_EXPORTER_OTLP_ENDPOINT: ' ' }],
  ['without an endpoint, also with a wrong protocol', { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }],
  ['with OTEL_SDK_DISABLED=true', { ...ENDPOINT, OTEL_SDK_DISABLED: 'true' }],
  ['with OTEL_SDK_DISABLED=TRUE', { ...ENDPOINT, OTEL_SDK_DISABLED: 'TRUE' }],
  ['with OTEL_SDK_DISABLED=" True "', { ...ENDPOINT, OTEL_SDK_DISABLED: ' True ' }],
  ['with OTEL_TRACES_EXPORTER=None', { ...ENDPOINT, OTEL_TRACES_EXPORTER: 'None' }],
  [
    'by OTEL_SDK_DISABLED, also with an invalid endpoint',
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'x', OTEL_SDK_DISABLED: 'True' },
  ],
]
for (const [name, environment] of off) {
  t.test(`tracing is off ${name}`, async (t) => {
    t.strictSame(tracingSettings(environment), { isOn: false })
  })
}

const on: [name: string, environment: Record<string, string>][] = [
  ['an endpoint', ENDPOINT],
  ['an endpoint for traces', { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'HTTPS://collector/v1/traces' }],
  ['OTEL_SDK_DISABLED=False', { ...ENDPOINT, OTEL_SDK_DISABLED: 'False' }],
  ['OTEL_SDK_DISABLED=1, which is no boolean', { ...ENDPOINT, OTEL_SDK_DISABLED: '1' }],
  ['the protocol http/json', { ...ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' }],
  ['the protocol HTTP/Protobuf', { ...ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL: 'HTTP/Protobuf' }],
  [
    'another protocol for traces than for the rest',
    {
      ...ENDPOINT,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
      OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json',
    },
  ],
  [
    'port 4317 and a protocol over HTTP',
    {
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4317',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    },
  ],
]
for (const [name, environment] of on) {
  t.test(`tracing is on with ${name}`, async (t) => {
    t.strictSame(tracingSettings(environment), { isOn: true })
  })
}

const mistakes: [environment: Record<string, string>, isOn: boolean, issue: RegExp][] = [
  [
    { ...ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
    false,
    /^OTEL_EXPORTER_OTLP_PROTOCOL is grpc, but the service exports spans over HTTP.*4318$/,
  ],
  [
    { ...ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'GRPC' },
    false,
    /^OTEL_EXPORTER_OTLP_TRACES_PROTOCOL is grpc/,
  ],
  [
    { ...ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL: 'secret' },
    false,
    /^OTEL_EXPORTER_OTLP_PROTOCOL must be one of http\/json, http\/protobuf$/,
  ],
  [
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'secret:4318' },
    false,
    /^OTEL_EXPORTER_OTLP_ENDPOINT must be a URL with http: or https:/,
  ],
  [
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'secret' },
    false,
    /^OTEL_EXPORTER_OTLP_ENDPOINT must be a URL with http: or https:/,
  ],
  [
    { ...ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'grpc://secret:4317' },
    false,
    /^OTEL_EXPORTER_OTLP_TRACES_ENDPOINT must be a URL/,
  ],
  [
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://secret:4317' },
    true,
    /^OTEL_EXPORTER_OTLP_ENDPOINT has the usual port of gRPC, 4317/,
  ],
]
for (const [environment, isOn, issue] of mistakes) {
  t.test(`names the mistake in ${JSON.stringify(environment)}`, async (t) => {
    const settings = tracingSettings(environment)
    t.equal(settings.isOn, isOn)
    t.match(settings.issue, issue)
    t.notMatch(settings.issue, 'secret', 'without the value')
  })
}
