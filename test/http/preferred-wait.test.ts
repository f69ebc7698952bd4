import t from 'tap'
import { preferredWaitSeconds } from '../../src/http/preferred-wait.ts'

t.test('reads how long a caller wants to wait (RFC 7240)', async (t) => {
  for (const [header, seconds] of [
    ['wait=10', 10],
    ['Wait=10', 10],
    ['wait = 10', 10],
    ['wait="10"', 10],
    ['wait=010', 10],
    ['wait=25', 25],
    ['wait=26', 25],
    ['wait=99999999999999999999', 25],
    ['respond-async, wait=5', 5],
    ['handling=lenient; foo="a", wait=5; bar', 5],
    ['wait=5, wait=9', 5],
    ['return=minimal', undefined],
    ['wait=0', undefined],
    ['wait=-1', undefined],
    ['wait=1.5', undefined],
    ['wait=soon', undefined],
    ['wait=soon, wait=5', undefined],
    ['wait="10', undefined],
    ['wait', undefined],
    ['await=5', undefined],
    ['waiting=5', undefined],
    ['', undefined],
    [undefined, undefined],
  ] as const) {
    t.equal(preferredWaitSeconds(header), seconds, header ?? 'no header')
  }
})
