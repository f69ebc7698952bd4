/** How deep causes are followed. */
const MAX_CAUSES = 3

/** An error as a log may hold it. */
export type LoggedError = {
  type: string
  message: string
  stack: string
  code?: string
  cause?: LoggedError
}

/**
 * The serializer of errors for the log: these members and no other, since errors of HTTP and OAuth libraries carry
 * whole requests and answers, tokens among them.
 */
export function errorForLog(error: unknown, causes = MAX_CAUSES): LoggedError {
  if (!(error instanceof Error))
    return { type: typeof error, message: 'thrown, but no error', stack: '' }
  const code = codeOf(error)
  return {
    type: error.name,
    message: error.message,
    stack: error.stack ?? '',
    ...(code !== undefined && { code }),
    ...(error.cause !== undefined && causes > 0 && { cause: errorForLog(error.cause, causes - 1) }),
  }
}

/** The `code` that errors of Node and of most libraries carry. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined
}
