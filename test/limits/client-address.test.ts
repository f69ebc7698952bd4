import t from 'tap'
import { clientAddress, parseAddress } from '../../src/limits/client-address.ts'

const texts: [text: string, address: string | undefined][] = [
  ['192.0.2.1', '192.0.2.1'],
  ['192.0.2.1:4711', '192.0.2.1'],
  ['2001:db8::1', '2001:db8::1'],
  ['[2001:db8::1]', '2001:db8::1'],
  ['[2001:db8::1]:443', '2001:db8::1'],
  ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
  ['fe80::1%eth0', 'fe80::1'],
  ['[fe80::1%25eth0]:80', 'fe80::1'],
  ['192.0.2.256', undefined],
  ['192.0.2.1:999999', undefined],
  ['unknown', undefined],
  ['_hidden', undefined],
  ['', undefined],
  ['[192.0.2.1', undefined],
  [`fe80::1%${'x'.repeat(15_000)}`, undefined],
]
for (const [text, address] of texts) {
  t.test(`reads ${text.slice(0, 40)} as ${address}`, async (t) =>
    t.equal(parseAddress(text), address),
  )
}

t.test('falls back to the address of the socket', async (t) => {
  const socket = { remoteAddress: '::ffff:10.0.0.1' }
  t.equal(clientAddress({ ip: '192.0.2.1:80', socket }), '192.0.2.1')
  t.equal(clientAddress({ ip: 'a name', socket }), '::ffff:10.0.0.1')
  t.equal(clientAddress({ ip: 'a name', socket: {} }), 'unknown')
})
