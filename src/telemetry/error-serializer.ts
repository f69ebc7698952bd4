/** Greatest depth of a chain of causes. */
const MAX_CAUSES = 3

/** An error in the log. */
export type SerializedError = {
  type: string
  message: string
  stack: string
  code?: string
  cause?: SerializedError
}

/**
 * Serializes an error for the log with these members only: errors of HTTP and OAuth libraries can carry whole requests
 * and responses, tokens included.
 */
export function serializeError(error: unknown, maxCauses = MAX_CAUSES): SerializedError {
  if (!(error instanceof Error))
    return { type: typeof error, message: 'a value that is not an Error was thrown', stack: '' }
  const code = errorCode(error)
  return {
    type: error.name,
    message: error.message,
    stack: error.stack ?? '',
    ...(code !== undefined && { code }),
    ...(error.cause !== undefined &&
      maxCauses > 0 && { cause: serializeError(error.cause, maxCauses - 1) }),
  }
}

/** The `code` of an error of Node or of a library, if it has one. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined
}

/** The `code` of an error, else its name. Unlike the message, neither holds text of a response. */
export function errorCodeOrName(error: unknown): string {
  return errorCode(error) ?? (error instanceof Error ? error.name : 'Error')
}
