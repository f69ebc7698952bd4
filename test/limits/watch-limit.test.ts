import t from 'tap'
import { WatchLimit } from '../../src/limits/watch-limit.ts'

const stream = (jobs: number) => ({ streams: 1, jobs }) as const
const wait = { streams: 0, jobs: 1 } as const

t.test('limits the jobs in all streams and waits of each caller', async (t) => {
  const limit = new WatchLimit({ maxStreams: 0, maxWatchedJobs: 10 })
  const release = limit.acquire('a', stream(8))
  limit.acquire('a', wait)
  limit.acquire('a', wait)
  for (const watch of [wait, stream(1)]) {
    t.throws(() => limit.acquire('a', watch), {
      code: 'too-many-requests',
      message: 'This caller watches too many jobs. At most 10 are allowed.',
      retryAfterSeconds: 5,
    })
  }
  t.ok(limit.acquire('b', stream(10)))
  release()
  t.ok(limit.acquire('a', stream(8)))
  t.throws(() => limit.acquire('a', wait))
})

t.test('limits the streams of each caller, not the waits', async (t) => {
  const limit = new WatchLimit({ maxStreams: 1, maxWatchedJobs: 0 })
  const release = limit.acquire('a', stream(1))
  limit.acquire('a', wait)
  t.throws(() => limit.acquire('a', stream(1)), { code: 'too-many-requests', retryAfterSeconds: 5 })
  release()
  t.ok(limit.acquire('a', stream(1)))
})

t.test(
  'counts a rejected stream neither for the caller nor in the number of streams',
  async (t) => {
    const limit = new WatchLimit({ maxStreams: 0, maxWatchedJobs: 1 })
    t.throws(() => limit.acquire('a', stream(2)))
    t.equal(limit.streams, 0)
    const release = limit.acquire('a', stream(1))
    t.equal(limit.streams, 1)
    release()
    t.equal(limit.streams, 0)
    t.ok(limit.acquire('a', stream(1)))
  },
)

t.test('counts, but does not limit, streams without a caller', async (t) => {
  const limit = new WatchLimit({ maxStreams: 1, maxWatchedJobs: 1 })
  const releases = [1, 2, 3].map(() => limit.acquire(undefined, stream(100)))
  t.equal(limit.streams, 3)
  for (const release of releases) release()
  t.equal(limit.streams, 0)
})

t.test('has no limits of 0', async (t) => {
  const limit = new WatchLimit({ maxStreams: 0, maxWatchedJobs: 0 })
  for (let times = 0; times < 1_000; times += 1) limit.acquire('a', stream(100))
  t.equal(limit.streams, 1_000)
})
