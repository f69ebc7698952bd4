import t from 'tap'
import { isSameEntityTag, matchesIfNoneMatch } from '../../src/http/entity-tag.ts'

t.test('compares entity tags weakly, also in a list', async (t) => {
  for (const header of ['"a"', 'W/"a"', '*', ' * ', '"b", "a"', '"b",W/"a"', '"b", W/"a-gzip" '])
    t.equal(matchesIfNoneMatch(header, '"a"'), true, header)
  for (const header of [undefined, '', '"b"', 'a', '"a', '"aa"', 'w/"a"', '"b-gzip"', '"*"'])
    t.equal(matchesIfNoneMatch(header, '"a"'), false, `${header}`)
})

t.test('recognizes a tag to which a proxy has appended a content coding', async (t) => {
  for (const coding of ['gzip', 'br', 'deflate', 'zstd'])
    for (const tag of [`"a-${coding}"`, `"a--${coding}"`, `W/"a-${coding}"`, `"a-gzip-${coding}"`])
      t.equal(isSameEntityTag(tag, '"a"'), true, tag)
  for (const tag of [
    '"a-x"',
    '"agzip"',
    '"a---gzip"',
    '"a-gzip',
    '"a-gzip"b',
    'W/W/"a"',
    '"-gzip"',
  ])
    t.equal(isSameEntityTag(tag, '"a"'), false, tag)
})

t.test('compares a header of the greatest size', async (t) => {
  const suffixes = '-gzip'.repeat(3_000)
  t.equal(matchesIfNoneMatch(`"a${suffixes}`, '"a"'), false)
  t.equal(matchesIfNoneMatch(`"a${suffixes}"`, '"a"'), true)
  t.equal(matchesIfNoneMatch(`${'"a-gzi",'.repeat(2_000)}"a-br"`, '"a"'), true)
  t.equal(matchesIfNoneMatch(','.repeat(16_000), '"a"'), false)
})
