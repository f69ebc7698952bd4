import t from 'tap'
import { BACKGROUND, FairQueue } from '../../../src/cdf/resilience/fair-queue.ts'

/** A queue of the entries `a1`, `a2`, …: the caller's name and a number. */
function setUp(...entries: string[]) {
  const queue = new FairQueue<string>()
  for (const entry of entries) queue.add(entry, entry.replace(/\d+$/, ''))
  const takeAll = () => {
    const taken: string[] = []
    for (let entry = queue.take(); entry !== undefined; entry = queue.take()) taken.push(entry)
    return taken.join(' ')
  }
  return { queue, takeAll }
}

t.test('serves callers in turn, and the entries of one caller in order', async (t) => {
  const { queue, takeAll } = setUp('a1', 'a2', 'a3', 'b1', 'c1', 'c2')
  t.equal(queue.size, 6)
  t.equal(takeAll(), 'a1 b1 c1 a2 c2 a3')
  t.equal(queue.size, 0)
})

t.test('serves a shared entry at the first turn of any of its callers', async (t) => {
  const { queue, takeAll } = setUp('a1', 'a2', 'a3')
  queue.add('a3', 'b')
  t.equal(queue.size, 3)
  t.equal(takeAll(), 'a1 a3 a2')
})

t.test('gives background entries one turn in five while others wait', async (t) => {
  const { queue, takeAll } = setUp(`${BACKGROUND}1`, `${BACKGROUND}2`, `${BACKGROUND}3`)
  for (let number = 1; number <= 8; number += 1) queue.add(`a${number}`, 'a')
  t.equal(takeAll().replaceAll(BACKGROUND, 'B'), 'a1 a2 a3 a4 B1 a5 a6 a7 a8 B2 B3')
})

t.test('evicts the newest entry of the longest line', async (t) => {
  const { queue, takeAll } = setUp('a1', 'a2', 'a3', 'b1')
  t.equal(queue.evictFor(['c']), 'a3')
  t.equal(queue.evictFor(['b']), undefined, 'no line would be longer')
  t.equal(queue.evictFor(['a']), undefined, 'its own line is the longest')
  t.equal(takeAll(), 'a1 b1 a2')
})

t.test('evicts a shared entry only if all of its callers have a longer line', async (t) => {
  const { queue, takeAll } = setUp('a1', 'a2', 'a3')
  for (const entry of ['a1', 'a2', 'a3']) queue.add(entry, 'b')
  queue.add('a3', 'c')
  t.equal(queue.evictFor(['d']), 'a2', 'two callers with the same entries have no advantage')
  t.equal(queue.evictFor(['d']), 'a1')
  t.equal(queue.evictFor(['d']), undefined, 'c has no other entry')
  t.equal(takeAll(), 'a3')
})

t.test('forgets a deleted entry in all lines', async (t) => {
  const { queue, takeAll } = setUp('a1', 'b1')
  queue.add('a1', 'b')
  queue.delete('a1')
  t.strictSame(queue.entries(), ['b1'])
  t.equal(takeAll(), 'b1')
})
