import pino from 'pino'
import { type Scheduler, scheduleTimeout } from '../async/clock.ts'

/** A sink for log lines, such as a stream. */
export interface LogDestination {
  write(line: string): void
}

/** The destinations of the two kinds of log lines. They share one output and keep the order of the lines. */
export interface LogDestinations {
  /** Buffered: one line per request. */
  accessLog: LogDestination
  /** Unbuffered: all other lines. */
  log: LogDestination
  /** Flushes the buffer. Later lines are written immediately. */
  close: () => void
}

/** A buffered line is written after this time … */
const MAX_DELAY_MS = 100
/** … or when this many characters are buffered. */
const MAX_BUFFERED_LENGTH = 64 * 1024

/** Writes all lines to `destination` unbuffered or, by default, to the standard output through a buffer. */
export function logDestinations(destination?: LogDestination): LogDestinations {
  return destination
    ? { accessLog: destination, log: destination, close: () => {} }
    : bufferedDestination(pino.destination({ sync: true }))
}

/**
 * Buffers the access log, because one write per request takes a third of the time of a cached response. Other lines
 * flush the buffer and are written immediately. A normal exit and an uncaught error lose no line; SIGKILL loses up to
 * {@link MAX_DELAY_MS} of requests. (`minLength` of `pino.destination` measures the whole buffer with each line.)
 */
export function bufferedDestination(
  destination: LogDestination,
  schedule: Scheduler = scheduleTimeout,
): LogDestinations {
  let buffer = ''
  let cancelFlush: (() => void) | undefined
  let isClosed = false
  const flush = () => {
    cancelFlush?.()
    cancelFlush = undefined
    const lines = buffer
    buffer = ''
    if (lines !== '') destination.write(lines)
  }
  process.once('exit', flush)
  return {
    accessLog: {
      write(line) {
        buffer += line
        if (isClosed || buffer.length >= MAX_BUFFERED_LENGTH) flush()
        else cancelFlush ??= schedule(MAX_DELAY_MS, flush)
      },
    },
    log: {
      write(line) {
        flush()
        destination.write(line)
      },
    },
    close() {
      isClosed = true
      process.off('exit', flush)
      flush()
    },
  }
}
