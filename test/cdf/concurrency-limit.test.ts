import t from 'tap'
import { ConcurrencyLimit } from '../../src/cdf/concurrency-limit.ts'

const never = () => new AbortController().signal

/** Work that ends when the test says so. */
function controlled(limit: number, maxQueue: number) {
  const concurrency = new ConcurrencyLimit(limit, maxQueue)
  const started: PromiseWithResolvers<void>[] = []
  const run = (signal = never()) =>
    concurrency.run(signal, () => {
      const end = Promise.withResolvers<void>()
      started.push(end)
      return end.promise
    })
  return { run, started }
}

const settle = () => new Promise((resolve) => setImmediate(resolve))

t.test('runs as much at once as it may, and the rest in turn', async (t) => {
  const { run, started } = controlled(2, 10)
  const all = [run(), run(), run(), run()]
  t.equal(started.length, 2)
  started[0]?.resolve()
  await settle()
  t.equal(started.length, 3)
  started[1]?.reject(new Error('failed'))
  await t.rejects(all[1] as Promise<void>, { message: 'failed' })
  await settle()
  t.equal(started.length, 4, 'a failure frees its place too')
  for (const end of started) end.resolve()
  await Promise.allSettled(all)
  run().catch(() => {})
  t.equal(started.length, 5)
})

t.test('says overloaded at once when the queue is full', async (t) => {
  const { run, started } = controlled(1, 1)
  const all = [run(), run()]
  await t.rejects(run(), { code: 'overloaded' })
  for (const end of started) end.resolve()
  await settle()
  started[1]?.resolve()
  await Promise.all(all)
})

t.test('lets one leave the queue', async (t) => {
  const { run, started } = controlled(1, 1)
  const first = run()
  const caller = new AbortController()
  const leaving = run(caller.signal)
  caller.abort()
  await t.rejects(leaving, { code: 'upstream-timeout' })
  const next = run()
  started[0]?.resolve()
  await first
  await settle()
  t.equal(started.length, 2, 'the place goes to the next one')
  started[1]?.resolve()
  await next
})

t.test('halves when CDF throttles, and grows again with successes up to what it was', async (t) => {
  const concurrency = new ConcurrencyLimit(8, 100)
  const ends: PromiseWithResolvers<void>[] = []
  const start = () =>
    concurrency.run(never(), () => {
      const end = Promise.withResolvers<void>()
      ends.push(end)
      return end.promise
    })
  const all = Array.from({ length: 20 }, start)
  t.equal(ends.length, 8)
  concurrency.halve()
  for (const end of ends.slice(0, 6)) end.resolve()
  await settle()
  t.equal(ends.length - 6, 4, 'four at once')
  for (let success = 0; success < 9; success += 1) concurrency.succeeded()
  t.equal(ends.length - 6, 4)
  concurrency.succeeded()
  await settle()
  t.equal(ends.length - 6, 5, 'one more after ten successes')
  for (let success = 0; success < 1000; success += 1) concurrency.succeeded()
  await settle()
  t.equal(ends.length - 6, 8, 'never more than configured')
  for (let halving = 0; halving < 10; halving += 1) concurrency.halve()
  while (ends.length < 20) {
    for (const end of ends) end.resolve()
    await settle()
  }
  for (const end of ends) end.resolve()
  await Promise.all(all)
})
