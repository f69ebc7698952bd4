import type { FastifyBaseLogger } from 'fastify'
import Fastify from 'fastify'
import t from 'tap'
import { lateLogPlugin } from '../../plugins/late-log.ts'

const LEVELS = { trace: 10, debug: 20, info: 30, warn: 40, error: 50, fatal: 60 } as const

t.test('the log of a request says what it is told, with the id of the request', async (t) => {
  const lines: Record<string, unknown>[] = []
  const app = Fastify({
    logger: {
      level: 'trace',
      stream: { write: (line: string) => lines.push(JSON.parse(line)) },
    },
    genReqId: () => 'mine',
    disableRequestLogging: true,
  })
  await app.register(lateLogPlugin)
  app.get('/', async ({ log }) => {
    for (const level of Object.keys(LEVELS) as (keyof typeof LEVELS)[]) {
      log[level]({ a: 1 }, 'said by %s', level)
    }
    log.silent('nothing')
    log.child({ part: 'p' }).info('of a part')
    return { level: log.level }
  })
  t.strictSame((await app.inject('/')).json(), { level: 'trace' })
  const expected = Object.entries(LEVELS).map(([name, level]) => ({
    level,
    reqId: 'mine',
    a: 1,
    msg: `said by ${name}`,
  }))
  t.match(lines, [...expected, { reqId: 'mine', part: 'p', msg: 'of a part' }])
  t.equal(lines.length, 7)
})

t.test('the log of a request that says nothing is not made', async (t) => {
  const app = Fastify({
    logger: { level: 'trace', stream: { write: () => {} } },
    disableRequestLogging: true,
  })
  const children = t.capture(app.log, 'child', app.log.child)
  await app.register(lateLogPlugin)
  const logs: FastifyBaseLogger[] = []
  app.get('/', async ({ log }) => {
    logs.push(log)
    return {}
  })
  await app.inject('/')
  t.equal(children().length, 0)
  logs[0]?.warn('late')
  logs[0]?.warn('later')
  t.equal(children().length, 1)
})
