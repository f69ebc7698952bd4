/** Whether spans are exported. */
export interface TracingSettings {
  isOn: boolean
  /** A mistake, as a sentence that begins with a variable and does not hold its value. */
  issue?: string
}

const HTTP_HINT = 'the service exports spans over HTTP, for which collectors usually have port 4318'

/** Protocols that an HTTP receiver of OTLP understands. The service sends JSON. */
const HTTP_PROTOCOLS: readonly string[] = ['http/json', 'http/protobuf']

/**
 * Reads the OpenTelemetry variables that turn tracing on and off. The SDK reads all others itself, and would replace a
 * wrong endpoint by its default without a word. A mistake turns tracing off, because the platform often sets these
 * variables for every container.
 * @see https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 * @see https://opentelemetry.io/docs/specs/otel/protocol/exporter/
 */
export function tracingSettings(
  environment: Readonly<Record<string, string | undefined>>,
): TracingSettings {
  const read = (name: string) => environment[name]?.trim() ?? ''
  /** The variable for traces takes precedence over the general one. */
  const nameFor = (setting: 'ENDPOINT' | 'PROTOCOL') =>
    [`OTEL_EXPORTER_OTLP_TRACES_${setting}`, `OTEL_EXPORTER_OTLP_${setting}`].find(read) ?? ''

  const endpoint = nameFor('ENDPOINT')
  // Booleans and enumerated values are case-insensitive.
  const isDisabled = read('OTEL_SDK_DISABLED').toLowerCase() === 'true'
  if (!endpoint || isDisabled || read('OTEL_TRACES_EXPORTER').toLowerCase() === 'none')
    return { isOn: false }

  const protocolName = nameFor('PROTOCOL')
  const protocol = read(protocolName).toLowerCase()
  if (protocol === 'grpc')
    return { isOn: false, issue: `${protocolName} is grpc, but ${HTTP_HINT}` }
  if (protocol && !HTTP_PROTOCOLS.includes(protocol))
    return { isOn: false, issue: `${protocolName} must be one of ${HTTP_PROTOCOLS.join(', ')}` }
  const url = URL.parse(read(endpoint))
  if (!url || !/^https?:$/.test(url.protocol)) {
    const issue = `${endpoint} must be a URL with http: or https:, such as http://localhost:4318`
    return { isOn: false, issue }
  }
  return url.port === '4317' && !protocol
    ? { isOn: true, issue: `${endpoint} has the usual port of gRPC, 4317, but ${HTTP_HINT}` }
    : { isOn: true }
}
