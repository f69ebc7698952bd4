import pino from 'pino'
import t from 'tap'
import { type AccessLogEntry, formatAccessLog } from '../../src/telemetry/format-access-log.ts'

const MINIMAL: AccessLogEntry = {
  level: 30,
  timeMs: 1_767_780_000_000,
  requestId: 'mine',
  traceId: '0af7651916cd43dd8448eb211c80319c',
  jobId: undefined,
  method: 'GET',
  route: undefined,
  status: 404,
  mode: 'plain',
  jobs: undefined,
  code: undefined,
  caller: undefined,
  cache: undefined,
  upstream: undefined,
  durationMs: 1.25,
}

const entries: [name: string, entry: AccessLogEntry][] = [
  ['a request to an unknown route', MINIMAL],
  [
    'a read of a job',
    {
      ...MINIMAL,
      jobId: '1',
      route: '/jobs/:jobId/quality',
      status: 200,
      caller: JSON.stringify({ client: 'a "quoted" client', subject: 'hash' }),
      cache: 'miss',
      upstream: { attempts: 2, status: 200, requestId: null, durationMs: 12.5 },
    },
  ],
  [
    'a failed list',
    {
      ...MINIMAL,
      level: 40,
      route: '/jobs/quality',
      status: 503,
      jobs: 100,
      code: 'overloaded',
      mode: 'stream',
    },
  ],
]
for (const [name, entry] of entries) {
  t.test(`formats ${name} exactly as pino does`, async (t) => {
    let line = ''
    const { level, timeMs, caller, ...fields } = entry
    const log = pino(
      { timestamp: () => `,"time":${timeMs}` },
      { write: (text: string) => (line = text) },
    )
    const parsed = { ...fields, ...(caller !== undefined && { caller: JSON.parse(caller) }) }
    const ordered = Object.fromEntries(
      Object.keys(entry)
        .filter((key) => key in parsed)
        .map((key) => [key, parsed[key as keyof typeof parsed]]),
    )
    log[level === 30 ? 'info' : 'warn'](ordered, 'request')
    t.equal(formatAccessLog(entry), line)
  })
}
