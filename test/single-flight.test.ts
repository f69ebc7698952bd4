import t from 'tap'
import { SingleFlight } from '../src/single-flight.ts'

/** Work that ends when the test says so. */
function controlled() {
  const flights = new SingleFlight<string, string>()
  const works: { signal: AbortSignal; end: PromiseWithResolvers<string> }[] = []
  const work = (signal: AbortSignal) => {
    const end = Promise.withResolvers<string>()
    works.push({ signal, end })
    return end.promise
  }
  const join = (signal = new AbortController().signal) => flights.run('key', signal, work)
  return { flights, works, join }
}

t.test('shares one piece of work among concurrent callers', async (t) => {
  const { flights, works, join } = controlled()
  const all = Promise.all([join(), join(), join()])
  t.equal(works.length, 1)
  t.equal(flights.has('key'), true)
  works[0]?.end.resolve('done')
  t.strictSame(await all, ['done', 'done', 'done'])
  t.equal(flights.has('key'), false, 'and forgets it')
})

t.test('shares a failure too, and forgets it', async (t) => {
  const { flights, works, join } = controlled()
  const all = [join(), join()]
  works[0]?.end.reject(new Error('no'))
  for (const promise of all) await t.rejects(promise, { message: 'no' })
  t.equal(flights.has('key'), false)
})

t.test('works on each key apart', async (t) => {
  const { flights, works, join } = controlled()
  const other = flights.run('other', new AbortController().signal, async () => 'other')
  const one = join()
  works[0]?.end.resolve('one')
  t.strictSame(await Promise.all([one, other]), ['one', 'other'])
})

t.test('goes on when one caller leaves, be it the first one', async (t) => {
  const { works, join } = controlled()
  const first = new AbortController()
  const leaving = join(first.signal)
  const staying = join()
  first.abort(new Error('gone'))
  await t.rejects(leaving, { message: 'gone' })
  t.equal(works[0]?.signal.aborted, false)
  works[0]?.end.resolve('done')
  t.equal(await staying, 'done')
})

t.test('aborts what nobody waits for any more, and starts anew for the next caller', async (t) => {
  const { flights, works, join } = controlled()
  const callers = [new AbortController(), new AbortController()]
  const leaving = callers.map(({ signal }) => join(signal))
  for (const caller of callers) caller.abort(new Error('gone'))
  for (const promise of leaving) await t.rejects(promise, { message: 'gone' })
  t.equal(works[0]?.signal.aborted, true)

  const next = join()
  t.equal(works.length, 2)
  works[0]?.end.reject(new Error('aborted'))
  await Promise.resolve()
  t.equal(flights.has('key'), true, 'the end of the old work does not touch the new one')
  works[1]?.end.resolve('done')
  t.equal(await next, 'done')
})

t.test('does nothing for a caller that is gone already', async (t) => {
  const { works, join } = controlled()
  await t.rejects(join(AbortSignal.abort(new Error('gone'))), { message: 'gone' })
  t.equal(works.length, 0)
})

t.test('leaves no listener behind', async (t) => {
  const { works, join } = controlled()
  const caller = new AbortController()
  const promise = join(caller.signal)
  works[0]?.end.resolve('done')
  await promise
  await Promise.resolve()
  caller.abort()
  t.equal(works[0]?.signal.aborted, false)
})
