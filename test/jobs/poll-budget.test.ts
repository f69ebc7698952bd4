import t from 'tap'
import type { BudgetedPoll } from '../../src/jobs/poll-budget.ts'
import { PollBudget } from '../../src/jobs/poll-budget.ts'

const job = (baseIntervalMs: number, ...callers: string[]): BudgetedPoll => ({
  callers,
  baseIntervalMs,
})
const jobs = (count: number, poll: BudgetedPoll) => Array.from({ length: count }, () => poll)

function setUp(polls: BudgetedPoll[], pollsPerSecond = 20) {
  const clock = { nowMs: 0 }
  const budget = new PollBudget({ pollsPerSecond, polls: () => polls, now: () => clock.nowMs })
  return { budget, clock, polls }
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
  const { budget, clock } = setUp([])
  t.strictSame([budget.reserve(), budget.reserve(), budget.reserve()], [0, 50, 100])
  clock.nowMs = 120
  t.equal(budget.reserve(), 30)
  clock.nowMs = 1_000
  t.equal(budget.reserve(), 0)
})
