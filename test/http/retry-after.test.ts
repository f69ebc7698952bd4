import t from 'tap'
import { parseRetryAfter } from '../../src/http/retry-after.ts'

const NOW = Date.parse('2026-01-07T10:00:00Z')

const retryAfter: [header: string | string[] | undefined, seconds: number | undefined][] = [
  [undefined, undefined],
  ['', undefined],
  ['soon', undefined],
  ['-5', undefined],
  [['1', '2'], undefined],
  ['7', 7],
  ['0', 1],
  ['3600', 60],
  ['99999999999999999999999', 60],
  ['Wed, 07 Jan 2026 10:00:05 GMT', 5],
  ['Wed, 07 Jan 2026 09:00:00 GMT', 1],
  ['Wed, 07 Jan 2026 11:00:00 GMT', 60],
]
for (const [header, seconds] of retryAfter) {
  t.test(`parses ${header} as ${seconds} seconds`, async (t) =>
    t.equal(parseRetryAfter(header, NOW), seconds),
  )
}
