import t from 'tap'
import { rateLimitKey } from '../../src/limits/rate-limit-key.ts'

const cases: [address: string, network: string][] = [
  ['10.0.0.1', '10.0.0.1'],
  ['2001:db8:1:2::ff', '2001:db8:1:2'],
  ['2001:DB8:0001:2:3:4:5:6', '2001:db8:1:2'],
  ['2001:db8::1:2:3:4', '2001:db8:0:0'],
  ['2001:db8:1::', '2001:db8:1:0'],
  ['::', '0:0:0:0'],
  ['::1', '0:0:0:0'],
  ['1::8', '1:0:0:0'],
  ['fe80::1%eth0', 'fe80:0:0:0'],
  ['::ffff:10.1.2.254', '10.1.2.254'],
  ['::FFFF:255.255.255.255', '255.255.255.255'],
  ['0:0:0:0:0:ffff:a01:2fe', '10.1.2.254'],
  ['::fffe:10.1.2.254', '0:0:0:0'],
  ['64:ff9b::10.1.2.254', '64:ff9b:0:0'],
  ['', ''],
]
for (const [address, network] of cases) {
  t.test(`maps ${address || 'an empty address'} to ${network || 'an empty key'}`, async (t) => {
    t.equal(rateLimitKey(address), network)
  })
}
