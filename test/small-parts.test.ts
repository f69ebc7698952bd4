import t from 'tap'
import { matchesIfNoneMatch } from '../routes/if-none-match.ts'
import { errorForLog } from '../src/error-for-log.ts'
import { isLoopback } from '../src/loopback.ts'
import { ProxyError } from '../src/problem.ts'
import { PROBLEMS } from '../src/problem-table.ts'
import { requestIdFrom } from '../src/request-id.ts'
import { parseRetryAfter } from '../src/retry-after.ts'
import { continueTrace } from '../src/trace-context.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const PARENT = 'b7ad6b7169203331'
const NOW = Date.parse('2026-01-07T10:00:00Z')

t.test('requestIdFrom takes a good id and replaces any other', async (t) => {
  for (const good of ['a', 'A-1_2.3', 'x'.repeat(64)]) t.equal(requestIdFrom(good), good)
  for (const bad of [undefined, '', 'a b', 'a,b', 'a\n', 'é', 'x'.repeat(65), ['a', 'b']]) {
    t.match(requestIdFrom(bad), /^[0-9a-f-]{36}$/)
  }
})

const continued: [name: string, header: string, flags: string][] = [
  ['a sampled trace', `00-${TRACE}-${PARENT}-01`, '01'],
  ['a trace that is not sampled', `00-${TRACE}-${PARENT}-00`, '00'],
  ['flags of the future', `00-${TRACE}-${PARENT}-03`, '01'],
  ['a version of the future', `cc-${TRACE}-${PARENT}-01-more`, '01'],
]
for (const [name, header, flags] of continued) {
  t.test(`continueTrace goes on with ${name}, under an id of its own`, async (t) => {
    t.match(continueTrace(header), new RegExp(`^00-${TRACE}-(?!${PARENT})[0-9a-f]{16}-${flags}$`))
  })
}

const replaced: [name: string, header: string | string[] | undefined][] = [
  ['none', undefined],
  ['nonsense', 'nonsense'],
  ['two', [`00-${TRACE}-${PARENT}-01`, `00-${TRACE}-${PARENT}-01`]],
  ['two joined', `00-${TRACE}-${PARENT}-01, 00-${TRACE}-${PARENT}-01`],
  ['an invalid version', `ff-${TRACE}-${PARENT}-01`],
  ['more than version 00 has', `00-${TRACE}-${PARENT}-01-more`],
  ['a trace id of zeros', `00-${'0'.repeat(32)}-${PARENT}-01`],
  ['a parent id of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`],
  ['upper case', `00-${TRACE.toUpperCase()}-${PARENT}-01`],
]
for (const [name, header] of replaced) {
  t.test(`continueTrace begins a new trace where there is ${name}`, async (t) => {
    t.match(continueTrace(header), new RegExp(`^00-(?!${TRACE})[0-9a-f]{32}-[0-9a-f]{16}-00$`))
  })
}

const retryAfter: [header: string | string[] | undefined, seconds: number | undefined][] = [
  [undefined, undefined],
  ['', undefined],
  ['soon', undefined],
  ['-5', undefined],
  [['1', '2'], undefined],
  ['7', 7],
  ['0', 1],
  ['3600', 60],
  ['99999999999999999999999', 60],
  ['Wed, 07 Jan 2026 10:00:05 GMT', 5],
  ['Wed, 07 Jan 2026 09:00:00 GMT', 1],
  ['Wed, 07 Jan 2026 11:00:00 GMT', 60],
]
for (const [header, seconds] of retryAfter) {
  t.test(`parseRetryAfter: ${header}`, async (t) => t.equal(parseRetryAfter(header, NOW), seconds))
}

t.test('isLoopback', async (t) => {
  for (const host of ['localhost', 'LOCALHOST', '127.0.0.1', '127.255.0.1', '::1', '[::1]'])
    t.equal(isLoopback(host), true, host)
  for (const host of [
    '0.0.0.0',
    '::',
    '10.0.0.1',
    '128.0.0.1',
    'localhost.example',
    '127.0.0.1.example',
    '',
  ]) {
    t.equal(isLoopback(host), false, host)
  }
})

t.test('matchesIfNoneMatch', async (t) => {
  for (const header of ['"a"', 'W/"a"', '*', ' * ', '"b", "a"', '"b",W/"a"'])
    t.equal(matchesIfNoneMatch(header, '"a"'), true, header)
  for (const header of [undefined, '', '"b"', 'a', '"a', '"aa"'])
    t.equal(matchesIfNoneMatch(header, '"a"'), false, `${header}`)
})

t.test('errorForLog shows what it knows of and nothing else', async (t) => {
  const cause = Object.assign(new Error('inner'), {
    code: 'E_INNER',
    response: { body: 'a token' },
  })
  const logged = errorForLog(Object.assign(new Error('outer', { cause }), { request: 'a token' }))
  t.match(logged, { type: 'Error', message: 'outer', cause: { message: 'inner', code: 'E_INNER' } })
  t.notMatch(JSON.stringify(logged), 'a token')
  t.match(errorForLog('a token'), { type: 'string' })
  t.notMatch(JSON.stringify(errorForLog('a token')), 'a token')
  const endless = new Error('loop')
  endless.cause = endless
  t.doesNotThrow(() => JSON.stringify(errorForLog(endless)))
})

t.test('a problem is what the table says, and what is known of upstream', async (t) => {
  for (const code of Object.keys(PROBLEMS) as (keyof typeof PROBLEMS)[]) {
    t.match(new ProxyError(code).toProblem('r'), {
      type: `/problems/${code}`,
      code,
      requestId: 'r',
      status: PROBLEMS[code].status,
    })
  }
  const upstream = { status: 429, requestId: null }
  const problem = new ProxyError('upstream-throttled', {
    upstream,
    retryAfterSeconds: 7,
  }).toProblem('r')
  t.strictSame([problem.upstream, problem.retryAfterSeconds], [upstream, 7])
  t.notOk('upstream' in new ProxyError('not-found').toProblem('r'))
})
