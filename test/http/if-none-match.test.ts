import t from 'tap'
import { matchesIfNoneMatch } from '../../src/http/if-none-match.ts'

t.test('compares entity tags weakly, also in a list', async (t) => {
  for (const header of ['"a"', 'W/"a"', '*', ' * ', '"b", "a"', '"b",W/"a"'])
    t.equal(matchesIfNoneMatch(header, '"a"'), true, header)
  for (const header of [undefined, '', '"b"', 'a', '"a', '"aa"'])
    t.equal(matchesIfNoneMatch(header, '"a"'), false, `${header}`)
})
