import t from 'tap'
import { childTraceparent, traceFrom } from '../../src/telemetry/trace-context.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const PARENT = 'b7ad6b7169203331'

const continued: [name: string, header: string, flags: string][] = [
  ['a sampled trace', `00-${TRACE}-${PARENT}-01`, '01'],
  ['a trace that is not sampled', `00-${TRACE}-${PARENT}-00`, '00'],
  ['unknown flags', `00-${TRACE}-${PARENT}-03`, '01'],
  ['a later version', `cc-${TRACE}-${PARENT}-01-more`, '01'],
]
for (const [name, header, flags] of continued) {
  t.test(`continues ${name} with a new parent id`, async (t) => {
    t.match(
      childTraceparent(traceFrom(header)),
      new RegExp(`^00-${TRACE}-(?!${PARENT})[0-9a-f]{16}-${flags}$`),
    )
  })
}

const replaced: [name: string, header: string | string[] | undefined][] = [
  ['no header', undefined],
  ['nonsense', 'nonsense'],
  ['two headers', [`00-${TRACE}-${PARENT}-01`, `00-${TRACE}-${PARENT}-01`]],
  ['two joined headers', `00-${TRACE}-${PARENT}-01, 00-${TRACE}-${PARENT}-01`],
  ['an invalid version', `ff-${TRACE}-${PARENT}-01`],
  ['more fields than version 00 has', `00-${TRACE}-${PARENT}-01-more`],
  ['a trace id of zeros', `00-${'0'.repeat(32)}-${PARENT}-01`],
  ['a parent id of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`],
  ['upper case', `00-${TRACE.toUpperCase()}-${PARENT}-01`],
]
for (const [name, header] of replaced) {
  t.test(`starts a new trace for ${name}`, async (t) => {
    t.match(
      childTraceparent(traceFrom(header)),
      new RegExp(`^00-(?!${TRACE})[0-9a-f]{32}-[0-9a-f]{16}-00$`),
    )
  })
}
