import t from 'tap'
import { WaitingCallers } from '../../src/cdf/resilience/waiting-callers.ts'
import { type BudgetedPoll, PollBudget } from '../../src/jobs/poll-budget.ts'
import { FakeClock } from '../support/fake-clock.ts'

const job = (baseIntervalMs: number, ...callers: string[]): BudgetedPoll => ({
  callers,
  baseIntervalMs,
  ownReadRatio: 1,
})
const jobs = (count: number, poll: BudgetedPoll) => Array.from({ length: count }, () => poll)

function setUp(polls: BudgetedPoll[], pollsPerSecond = 20) {
  const clock = new FakeClock()
  clock.nowMs = 0
  const { now, schedule } = clock
  const budget = new PollBudget({
    pollsPerSecond: () => pollsPerSecond,
    polls: () => polls,
    now,
    schedule,
  })
  /** The reads so far, as `caller@milliseconds`. */
  const reads: string[] = []
  const enqueue = (caller: string, callers = new WaitingCallers(caller)) =>
    budget.enqueue(callers, () => reads.push(`${caller}@${clock.nowMs}`))
  return { budget, clock, polls, enqueue, reads }
}

t.test('keeps the base intervals while the demand is below the rate', async (t) => {
  const poll = job(1_000, 'a')
  const { budget } = setUp(jobs(20, poll))
  t.equal(budget.intervalMs(poll), 1_000)
})

t.test('stretches all intervals of one caller by the same factor', async (t) => {
  const [young, old] = [job(1_000, 'a'), job(5_000, 'a')]
  const { budget } = setUp([...jobs(50, young), ...jobs(150, old)])
  t.equal(Math.round(budget.intervalMs(young)), 4_000, '80 reads per second are demanded')
  t.equal(Math.round(budget.intervalMs(old)), 20_000)
})

t.test(
  'divides the rate equally among callers, and an unused share among the others',
  async (t) => {
    const [one, many, more] = [job(1_000, 'a'), job(1_000, 'b'), job(1_000, 'c')]
    const { budget } = setUp([one, ...jobs(95, many), ...jobs(190, more)])
    t.equal(budget.intervalMs(one), 1_000, 'a demands 1 of 20')
    t.equal(budget.intervalMs(many), 10_000, 'b gets 9.5')
    t.equal(budget.intervalMs(more), 20_000, 'c gets 9.5')
  },
)

t.test('polls a shared job as often as the caller with the shortest interval', async (t) => {
  const [shared, many] = [job(1_000, 'a', 'b'), job(1_000, 'b')]
  const { budget } = setUp([shared, ...jobs(390, many)])
  t.equal(budget.intervalMs(shared), 1_000)
})

t.test('computes the factors at most once per second', async (t) => {
  const poll = job(1_000, 'a')
  const { budget, clock, polls } = setUp(jobs(20, poll))
  t.equal(budget.intervalMs(poll), 1_000)
  polls.push(...jobs(20, poll))
  clock.nowMs = 999
  t.equal(budget.intervalMs(poll), 1_000)
  clock.nowMs = 1_000
  t.equal(budget.intervalMs(poll), 2_000)
})

t.test('spaces reads evenly, whatever the demand', async (t) => {
  const { clock, enqueue, reads } = setUp([])
  for (let read = 0; read < 3; read += 1) enqueue('a')
  clock.advance(120)
  enqueue('a')
  clock.advance(30)
  t.strictSame(reads, ['a@0', 'a@50', 'a@100', 'a@150'])
  clock.advance(850)
  enqueue('a')
  clock.advance(0)
  t.equal(reads.at(-1), 'a@1000', 'unused slots are lost')
  t.equal(clock.timers.size, 0)
})

t.test('gives the slots to callers in turn', async (t) => {
  const { clock, enqueue, reads } = setUp([])
  for (const caller of ['a', 'a', 'a', 'a', 'b']) enqueue(caller)
  const shared = new WaitingCallers('a')
  enqueue('shared', shared)
  shared.join('c')
  clock.advance(300)
  t.strictSame(reads, ['a@0', 'b@50', 'shared@100', 'a@150', 'a@200', 'a@250'])
})

t.test('uses no slot for a cancelled read', async (t) => {
  const { clock, enqueue, reads } = setUp([])
  enqueue('a')
  const cancel = enqueue('b')
  enqueue('c')
  cancel()
  clock.advance(100)
  t.strictSame(reads, ['a@0', 'c@50'])
  enqueue('d')()
  t.equal(clock.timers.size, 0)
})

t.test('makes up for a timer that is late', async (t) => {
  const { clock, enqueue, reads } = setUp([])
  for (const caller of ['a', 'b', 'c', 'd']) enqueue(caller)
  const [timer] = clock.timers
  clock.nowMs = 110
  timer?.task()
  t.strictSame(reads, ['a@110', 'b@110', 'c@110'])
})

t.test('counts only the part of the reads that this replica makes', async (t) => {
  const half = { ...job(1_000, 'a'), ownReadRatio: 0.5 }
  const { budget } = setUp(jobs(40, half))
  t.equal(budget.intervalMs(half), 1_000, '20 of 40 reads per second')
  const none = { ...job(1_000, 'a'), ownReadRatio: 0 }
  const intervalOf = (count: number) => setUp(jobs(count, none)).budget.intervalMs(none)
  t.equal(Math.round(intervalOf(400)), 1_000)
  t.equal(Math.round(intervalOf(800)), 2_000, 'it may have to read them next')
})

t.test('follows the share of this replica', async (t) => {
  const clock = new FakeClock()
  let pollsPerSecond = 20
  const { now, schedule } = clock
  const budget = new PollBudget({
    pollsPerSecond: () => pollsPerSecond,
    polls: () => jobs(20, job(1_000, 'a')),
    now,
    schedule,
  })
  t.equal(budget.intervalMs(job(1_000, 'a')), 1_000)
  pollsPerSecond = 10
  clock.advance(1_000)
  t.equal(budget.intervalMs(job(1_000, 'a')), 2_000)
  const reads: number[] = []
  const startMs = clock.nowMs
  for (let read = 0; read < 3; read += 1)
    budget.enqueue(new WaitingCallers('a'), () => reads.push(clock.nowMs - startMs))
  clock.advance(200)
  t.strictSame(reads, [0, 100, 200])
})
