import type { FastifyReply, FastifyRequest } from 'fastify'
import { requestTrace } from '../../plugins/request-trace.ts'
import type { ReadContext } from '../../src/jobs/job-quality-reader.ts'
import { callerKey } from '../../src/limits/rate-limit-key.ts'
import { childTraceparent } from '../../src/telemetry/trace-context.ts'

/** The {@link ReadContext} of a request. Its members are created on first use, so that a hit does not pay for them. */
export class RequestReadContext implements ReadContext {
  readonly #request: FastifyRequest
  readonly #reply: FastifyReply
  #traceparent: string | undefined
  #signal: AbortSignal | undefined

  constructor(request: FastifyRequest, reply: FastifyReply) {
    this.#request = request
    this.#reply = reply
  }

  get requestId(): string {
    return this.#request.id
  }

  get publicUrl(): string {
    return this.#request.server.publicUrl
  }

  get traceparent(): string {
    this.#traceparent ??= childTraceparent(requestTrace(this.#request))
    return this.#traceparent
  }

  get callerKey(): string {
    return callerKey(this.#request)
  }

  get signal(): AbortSignal {
    this.#signal ??= disconnectSignal(this.#reply)
    return this.#signal
  }
}

/** Aborts when the caller disconnects. `request.signal` follows the body stream, which `optimizeEmptyRequests` removes. */
function disconnectSignal({ raw: response }: FastifyReply): AbortSignal {
  const controller = new AbortController()
  response.once('close', () => {
    if (!response.writableFinished) controller.abort()
  })
  return controller.signal
}
