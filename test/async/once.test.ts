import t from 'tap'
import { once } from '../../src/async/once.ts'

t.test('calls the function on first use, and shares its result', async (t) => {
  let calls = 0
  const get = once(async () => {
    calls += 1
    return calls
  })
  t.equal(calls, 0)
  t.strictSame(await Promise.all([get(), get()]), [1, 1])
})

t.test('calls the function again after a failure', async (t) => {
  let calls = 0
  const get = once(async () => {
    calls += 1
    if (calls === 1) throw new Error('failed')
    return calls
  })
  await t.rejects(get(), { message: 'failed' })
  t.equal(await get(), 2)
})
