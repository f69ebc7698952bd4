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
  const timers = () => process.getActiveResourcesInfo().length
  const before = timers()
  {
    using limit = new TimeLimit(parent.signal, 60_000)
    t.equal(limit.signal.aborted, false)
    t.equal(getEventListeners(parent.signal, 'abort').length, 1)
  }
  t.equal(getEventListeners(parent.signal, 'abort').length, 0)
  t.equal(timers(), before)
})
