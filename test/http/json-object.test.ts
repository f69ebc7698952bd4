import t from 'tap'
import { parseJsonObject } from '../../src/http/json-object.ts'

t.test('parses a JSON object', async (t) => {
  t.strictSame(parseJsonObject(' {"a":[null]} '), { a: [null] })
})

for (const text of ['', '<html>', '{"a":', 'null', '[]', '[{}]', '"text"', '7', 'true'])
  t.test(`does not accept ${text || 'an empty text'}`, async (t) => {
    t.equal(parseJsonObject(text), undefined)
  })
