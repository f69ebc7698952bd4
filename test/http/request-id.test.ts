import t from 'tap'
import { requestIdFrom } from '../../src/http/request-id.ts'

t.test('keeps a valid id and replaces any other', async (t) => {
  for (const good of ['a', 'A-1_2.3', 'x'.repeat(64)]) t.equal(requestIdFrom(good), good)
  for (const bad of [undefined, '', 'a b', 'a,b', 'a\n', 'é', 'x'.repeat(65), ['a', 'b']]) {
    t.match(requestIdFrom(bad), /^[0-9a-f-]{36}$/)
  }
})
