import t from 'tap'
import { requestIdFrom } from '../../src/http/request-id.ts'

t.test('returns a valid request id, and a new one in place of an invalid one', async (t) => {
  for (const valid of ['a', 'A-1_2.3', 'x'.repeat(64)]) t.equal(requestIdFrom(valid), valid)
  for (const invalid of [undefined, '', 'a b', 'a,b', 'a\n', 'é', 'x'.repeat(65), ['a', 'b']]) {
    t.match(requestIdFrom(invalid), /^[0-9a-f-]{36}$/)
  }
})
