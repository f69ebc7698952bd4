import t from 'tap'
import { loggableText } from '../../src/telemetry/loggable-text.ts'

const texts: [name: string, text: string, logged: string][] = [
  ['plain text', 'Paused', 'Paused'],
  ['letters of any script', 'ångström 完了', 'ångström 完了'],
  ['line breaks and other control characters', 'a\r\nb\tc\u0000\u001b[31m\u0085d', 'abc[31md'],
  ['line and paragraph separators', 'a\u2028b\u2029c', 'abc'],
  ['bidirectional controls', 'a\u202eb\u2066c\u200fd', 'abcd'],
  ['invisible characters', 'a\u200bb\ufeffc\u00add\u{e0041}', 'abcd'],
  ['a lone surrogate', 'a\ud83d', 'a\ufffd'],
  [
    'an emoji that the limit would cut in half',
    `${'x'.repeat(99)}\u{1f600}`,
    `${'x'.repeat(99)}\ufffd`,
  ],
]
for (const [name, text, logged] of texts) {
  t.test(`logs ${name} as ${JSON.stringify(logged.slice(0, 20))}`, async (t) => {
    t.equal(loggableText(text), logged)
  })
}

t.test('limits the length', async (t) => {
  t.equal(loggableText('x'.repeat(1_000_000)).length, 100)
  t.equal(loggableText('abc', 2), 'ab')
})
