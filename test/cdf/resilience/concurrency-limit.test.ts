import t from 'tap'
import { ConcurrencyLimit } from '../../../src/cdf/resilience/concurrency-limit.ts'
import { WaitingCallers } from '../../../src/cdf/resilience/waiting-callers.ts'
import { settle } from '../../support/wait.ts'

const never = () => new AbortController().signal

/** A limit, and calls that the test ends. */
function setUp(limit: number, maxQueue: number) {
  const concurrency = new ConcurrencyLimit(limit, maxQueue)
  const started: PromiseWithResolvers<void>[] = []
  const run = (signal = never(), callers = new WaitingCallers('a')) =>
    concurrency.run(signal, callers, () => {
      const end = Promise.withResolvers<void>()
      started.push(end)
      return end.promise
    })
  return { concurrency, run, started }
}

t.test('runs calls up to the limit and queues the others', async (t) => {
  const { run, started } = setUp(2, 10)
  const all = [run(), run(), run(), run()]
  t.equal(started.length, 2)
  started[0]?.resolve()
  await settle()
  t.equal(started.length, 3)
  started[1]?.reject(new Error('failed'))
  await t.rejects(all[1] as Promise<void>, { message: 'failed' })
  await settle()
  t.equal(started.length, 4, 'a failed call frees its slot')
  for (const end of started) end.resolve()
  await Promise.allSettled(all)
  run().catch(() => {})
  t.equal(started.length, 5)
})

t.test('serves callers in turn, and a shared call at the first turn of its callers', async (t) => {
  const { concurrency } = setUp(1, 10)
  const order: string[] = []
  const run = (name: string, callers = new WaitingCallers(name.slice(0, 1))) =>
    concurrency.run(never(), callers, async () => order.push(name))
  const shared = new WaitingCallers('a')
  const all = [run('first'), run('a1'), run('a2'), run('a3', shared), run('b1'), run('c1')]
  shared.join('d')
  await Promise.all(all)
  t.strictSame(order, ['first', 'a1', 'b1', 'c1', 'a3', 'a2'])
})

t.test('rejects a call of the caller with most calls when the queue is full', async (t) => {
  const { run, started } = setUp(1, 3)
  const callersOf = (key: string) => new WaitingCallers(key)
  const many = [run(), run(), run(), run()]
  const other = run(never(), callersOf('b'))
  await t.rejects(many[3] as Promise<void>, { code: 'overloaded' })
  await t.rejects(run(), { code: 'overloaded' })
  await t.rejects(run(never(), callersOf('b')), { code: 'overloaded' }, 'an equal share')
  for (let index = 0; index < 4; index += 1) {
    started[index]?.resolve()
    await settle()
  }
  await t.resolves(Promise.all([...many.slice(0, 3), other]))
})

t.test('rejects with overloaded when the queue is full', async (t) => {
  const { run, started } = setUp(1, 1)
  const all = [run(), run()]
  await t.rejects(run(), { code: 'overloaded' })
  for (const end of started) end.resolve()
  await settle()
  started[1]?.resolve()
  await Promise.all(all)
})

t.test('removes an aborted caller from the queue', async (t) => {
  const { run, started } = setUp(1, 1)
  const first = run()
  const caller = new AbortController()
  const leaving = run(caller.signal)
  caller.abort()
  await t.rejects(leaving, { code: 'upstream-timeout' })
  const next = run()
  started[0]?.resolve()
  await first
  await settle()
  t.equal(started.length, 2, 'the next caller gets the slot')
  started[1]?.resolve()
  await next
})

t.test(
  'halves the limit on request, and raises it with successes up to the configured limit',
  async (t) => {
    const concurrency = new ConcurrencyLimit(8, 100)
    const ends: PromiseWithResolvers<void>[] = []
    const start = () =>
      concurrency.run(never(), new WaitingCallers('a'), () => {
        const end = Promise.withResolvers<void>()
        ends.push(end)
        return end.promise
      })
    const all = Array.from({ length: 20 }, start)
    t.equal(ends.length, 8)
    concurrency.halve()
    for (const end of ends.slice(0, 6)) end.resolve()
    await settle()
    t.equal(ends.length - 6, 4, 'four calls at once')
    for (let success = 0; success < 9; success += 1) concurrency.succeeded()
    t.equal(ends.length - 6, 4)
    concurrency.succeeded()
    await settle()
    t.equal(ends.length - 6, 5, 'one more call after ten successes')
    for (let success = 0; success < 1000; success += 1) concurrency.succeeded()
    await settle()
    t.equal(ends.length - 6, 8, 'not above the configured limit')
    for (let halving = 0; halving < 10; halving += 1) concurrency.halve()
    while (ends.length < 20) {
      for (const end of ends) end.resolve()
      await settle()
    }
    for (const end of ends) end.resolve()
    await Promise.all(all)
  },
)

t.test('with a maximum of 0, calls wait until it is raised', async (t) => {
  const { concurrency, run, started } = setUp(8, 10)
  concurrency.setMaximum(0)
  const all = [run(), run(), run()]
  await settle()
  t.equal(started.length, 0)
  concurrency.setMaximum(2)
  await settle()
  t.equal(started.length, 2)
  concurrency.setMaximum(1)
  started[0]?.resolve()
  await settle()
  t.equal(started.length, 2, 'running calls count')
  started[1]?.resolve()
  await settle()
  t.equal(started.length, 3)
  started[2]?.resolve()
  await Promise.all(all)
})

t.test('a lower maximum does not undo what a 429 has halved', async (t) => {
  const { concurrency } = setUp(8, 10)
  concurrency.setMaximum(4)
  concurrency.halve()
  t.equal(concurrency.load.limit, 2)
  concurrency.setMaximum(8)
  t.equal(concurrency.load.limit, 2, 'half of what was allowed')
  for (let success = 0; success < 10; success += 1) concurrency.succeeded()
  t.equal(concurrency.load.limit, 3)
})
