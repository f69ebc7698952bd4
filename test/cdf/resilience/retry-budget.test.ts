import t from 'tap'
import { RetryBudget } from '../../../src/cdf/resilience/retry-budget.ts'
import { FakeClock } from '../../support/fake-clock.ts'

t.test('allows twenty retries per ten seconds at a low request rate', async (t) => {
  const clock = new FakeClock()
  const budget = new RetryBudget(clock.now)
  for (let retry = 0; retry < 20; retry += 1) t.equal(budget.take(), true)
  t.equal(budget.take(), false)
  clock.advance(10_000)
  t.equal(budget.take(), true)
})

t.test('allows retries for a tenth of the calls at a high request rate', async (t) => {
  const clock = new FakeClock()
  const budget = new RetryBudget(clock.now)
  for (let call = 0; call < 1_000; call += 1) budget.countRead()
  let retries = 0
  while (budget.take()) retries += 1
  t.equal(retries, 100)
})
