import { isIP } from 'node:net'

/**
 * By what an address is counted: an IPv4 address by itself, also where it is written as an IPv6 one (RFC 4291 §2.5.5.2); an
 * IPv6 address by its network of 64 bits, in which one caller has all the addresses that it likes.
 */
export function networkOf(address: string): string {
  if (isIP(address) !== 6) return address
  const [withoutZone = ''] = address.split('%', 1)
  // A URL has it in one form only: in lower case, without a dotted end, and with the longest run of zeros as `::`.
  const { hostname } = new URL(`http://[${withoutZone}]`)
  const [head = [], tail = []] = hostname
    .slice(1, -1)
    .split('::')
    .map((groups) => groups.split(':').filter(Boolean))
  const zeros = Array<string>(8 - head.length - tail.length).fill('0')
  const groups = [...head, ...zeros, ...tail]
  const network = groups.slice(0, 4).join(':')
  const [, , , , zero, mark, high = '', low = ''] = groups
  if (network !== '0:0:0:0' || zero !== '0' || mark !== 'ffff') return network
  const bits = Number.parseInt(high, 16) * 2 ** 16 + Number.parseInt(low, 16)
  return [24, 16, 8, 0].map((shift) => (bits >>> shift) & 255).join('.')
}
