import type { FastifyBaseLogger } from 'fastify'
import fp from 'fastify-plugin'
import type { LogFn } from 'pino'

/**
 * `request.log` is made when it has something to say, which it has not if all goes well: Fastify makes one for each request,
 * 8 % of a cached answer. (Not by `childLoggerFactory`: Fastify looks at all that comes from one, which takes as long.)
 */
export const lateLogPlugin = fp(
  async function lateLog({ log }) {
    const { child } = log
    // Children inherit it: theirs are children of them.
    log.child = function (this: FastifyBaseLogger, ...of) {
      return new LateLog(() => child.apply(this, of))
    }
  },
  { name: 'late-log' },
)

type Line = Parameters<LogFn>

class LateLog implements FastifyBaseLogger {
  readonly #make: () => FastifyBaseLogger
  #made: FastifyBaseLogger | undefined

  constructor(make: () => FastifyBaseLogger) {
    this.#make = make
  }

  child(...of: Parameters<FastifyBaseLogger['child']>): FastifyBaseLogger {
    return this.#log.child(...of)
  }

  get level(): string {
    return this.#log.level
  }

  set level(level: string) {
    this.#log.level = level
  }

  fatal(...line: Line): void {
    this.#log.fatal(...line)
  }

  error(...line: Line): void {
    this.#log.error(...line)
  }

  warn(...line: Line): void {
    this.#log.warn(...line)
  }

  info(...line: Line): void {
    this.#log.info(...line)
  }

  debug(...line: Line): void {
    this.#log.debug(...line)
  }

  trace(...line: Line): void {
    this.#log.trace(...line)
  }

  silent(...line: Line): void {
    this.#log.silent(...line)
  }

  get #log(): FastifyBaseLogger {
    this.#made ??= this.#make()
    return this.#made
  }
}
