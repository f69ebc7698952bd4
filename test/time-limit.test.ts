import { getEventListeners, once } from 'node:events'
import t from 'tap'
import { TimeLimit } from '../src/time-limit.ts'

t.test('aborts with its parent, for the same reason', async (t) => {
  const parent = new AbortController()
  using limit = new TimeLimit(parent.signal, 60_000)
  t.equal(limit.signal.aborted, false)
  parent.abort('gone')
  t.equal(limit.signal.reason, 'gone')
  using late = new TimeLimit(parent.signal, 60_000)
  t.equal(late.signal.reason, 'gone', 'also if that was before')
})

t.test('aborts when the time is over', async (t) => {
  // The timer keeps no process alive; this one does.
  const alive = setInterval(() => {}, 60_000)
  t.teardown(() => clearInterval(alive))
  using limit = new TimeLimit(new AbortController().signal, 1)
  await once(limit.signal, 'abort')
  t.equal(limit.signal.reason.name, 'TimeoutError')
})

t.test('leaves nothing behind', async (t) => {
  const parent = new AbortController()
  const set = t.capture(globalThis, 'setTimeout', setTimeout)
  const cleared = t.capture(globalThis, 'clearTimeout', clearTimeout)
  {
    using limit = new TimeLimit(parent.signal, 60_000)
    t.equal(limit.signal.aborted, false)
    t.equal(getEventListeners(parent.signal, 'abort').length, 1)
  }
  t.equal(getEventListeners(parent.signal, 'abort').length, 0)
  const [timer] = set()
  const left = timer && 'returned' in timer ? timer.returned : undefined
  t.ok(left && cleared().some(({ args }) => args[0] === left), 'no timer is left')
})
