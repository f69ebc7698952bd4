import { errorCode } from '../telemetry/error-serializer.ts'

/** By the error code of Node, with the port's variable as `{PORT}`. */
const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: '{PORT} is in use by another process',
  EACCES: '{PORT} is not allowed for this user, as most ports below 1024',
  EADDRNOTAVAIL: 'HOST is not an address of this machine',
  EAFNOSUPPORT: 'HOST is an address of a family that this machine does not have',
  ENOTFOUND: 'HOST is not a name that can be resolved',
  EAI_AGAIN: 'HOST is not a name that can be resolved',
}

/**
 * Why a server cannot listen, as a sentence that names the variable; `undefined` for an unknown error.
 * @param portVariable the variable that holds the port
 */
export function listenFailure(
  error: unknown,
  portVariable: 'PORT' | 'METRICS_PORT',
): string | undefined {
  const code = errorCode(error) ?? ''
  return Object.hasOwn(REASONS, code)
    ? `${REASONS[code]?.replace('{PORT}', portVariable)} (${code})`
    : undefined
}
