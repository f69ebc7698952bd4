import t from 'tap'
import { SingleFlight } from '../../src/async/single-flight.ts'

/** The demand: how many callers have joined. */
const join = (callers = { joined: 0 }) => {
  callers.joined += 1
  return callers
}

/** Runs work for the key `key`, which the test ends. */
function setUp() {
  const singleFlight = new SingleFlight<string, string, { joined: number }>()
  const calls: {
    signal: AbortSignal
    callers: { joined: number }
    end: PromiseWithResolvers<string>
  }[] = []
  const work = (signal: AbortSignal, callers: { joined: number }) => {
    const end = Promise.withResolvers<string>()
    calls.push({ signal, callers, end })
    return end.promise
  }
  const run = (signal = new AbortController().signal) => singleFlight.run('key', signal, join, work)
  return { singleFlight, calls, run }
}

t.test('shares one piece of work among concurrent callers', async (t) => {
  const { singleFlight, calls, run } = setUp()
  const all = Promise.all([run(), run(), run()])
  t.equal(calls.length, 1)
  t.equal(calls[0]?.callers.joined, 3, 'each caller joins the demand')
  t.equal(singleFlight.has('key'), true)
  calls[0]?.end.resolve('done')
  t.strictSame(await all, ['done', 'done', 'done'])
  t.equal(singleFlight.has('key'), false, 'removes the finished work')
})

t.test('shares a failure among concurrent callers, and starts again afterwards', async (t) => {
  const { singleFlight, calls, run } = setUp()
  const all = [run(), run()]
  calls[0]?.end.reject(new Error('no'))
  for (const promise of all) await t.rejects(promise, { message: 'no' })
  t.equal(singleFlight.has('key'), false)
})

t.test('runs work for different keys in parallel', async (t) => {
  const { singleFlight, calls, run } = setUp()
  const other = singleFlight.run('other', new AbortController().signal, join, async () => 'other')
  const one = run()
  calls[0]?.end.resolve('one')
  t.strictSame(await Promise.all([one, other]), ['one', 'other'])
})

t.test('continues for the other callers after the first one aborts', async (t) => {
  const { calls, run } = setUp()
  const first = new AbortController()
  const leaving = run(first.signal)
  const staying = run()
  first.abort(new Error('gone'))
  await t.rejects(leaving, { message: 'gone' })
  t.equal(calls[0]?.signal.aborted, false)
  calls[0]?.end.resolve('done')
  t.equal(await staying, 'done')
})

t.test(
  'aborts the work after all callers have aborted, and starts again for the next caller',
  async (t) => {
    const { singleFlight, calls, run } = setUp()
    const callers = [new AbortController(), new AbortController()]
    const leaving = callers.map(({ signal }) => run(signal))
    for (const caller of callers) caller.abort(new Error('gone'))
    for (const promise of leaving) await t.rejects(promise, { message: 'gone' })
    t.equal(calls[0]?.signal.aborted, true)

    const next = run()
    t.equal(calls.length, 2)
    calls[0]?.end.reject(new Error('aborted'))
    await Promise.resolve()
    t.equal(
      singleFlight.has('key'),
      true,
      'the end of the aborted work does not remove the new one',
    )
    calls[1]?.end.resolve('done')
    t.equal(await next, 'done')
  },
)

t.test('starts no work for a signal that is already aborted', async (t) => {
  const { calls, run } = setUp()
  await t.rejects(run(AbortSignal.abort(new Error('gone'))), { message: 'gone' })
  t.equal(calls.length, 0)
})

t.test('removes its abort listener when the work ends', async (t) => {
  const { calls, run } = setUp()
  const caller = new AbortController()
  const promise = run(caller.signal)
  calls[0]?.end.resolve('done')
  await promise
  await Promise.resolve()
  caller.abort()
  t.equal(calls[0]?.signal.aborted, false)
})
