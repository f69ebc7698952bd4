import fp from 'fastify-plugin'
import { continueTrace, parseTraceparent } from '../src/trace-context.ts'

/**
 * Every request belongs to one trace from its first hook on: `request.headers.traceparent` is valid, the caller's or
 * that of a new trace. The log names this trace, and the calls that the request causes go on with it. (Where spans are
 * recorded, it is the request's own span that stands there.)
 * @see https://www.w3.org/TR/trace-context/#traceparent-header
 */
export const requestTracePlugin = fp(
  async function requestTrace(app) {
    app.addHook('onRequest', ({ headers }, _reply, done) => {
      if (!parseTraceparent(headers.traceparent)) headers.traceparent = continueTrace(undefined)
      done()
    })
  },
  { name: 'request-trace' },
)
