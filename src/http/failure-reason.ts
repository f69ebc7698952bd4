import { errorCode } from '../telemetry/error-serializer.ts'
import { ProxyError } from './proxy.ts'

/**
 * Why there is no complete response, for the log: name and code of the error, or what the proxy did. Messages of other
 * errors are left out, because they can hold parts of the response.
 */
export function failureReason(error: unknown): string {
  if (error instanceof ProxyError) return error.message
  const name = error instanceof Error ? error.name : 'Error'
  return [name, errorCode(error)].filter(Boolean).join(' ')
}
