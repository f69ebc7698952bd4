import { isIP } from 'node:net'
import { clientAddress } from './client-address.ts'

/**
 * The key that limits and shares of a caller are counted under: the subject and client of its token, else its address.
 */
export function callerKey(
  request: Parameters<typeof clientAddress>[0] & { caller?: { readonly key: string } | null },
): string {
  return request.caller?.key || rateLimitKey(clientAddress(request))
}

/**
 * The key that requests of an address are counted under. An IPv4 address counts by itself, also if it is mapped to IPv6
 * (RFC 4291 §2.5.5.2). An IPv6 address counts by its /64 network, because one caller usually has a whole one.
 */
export function rateLimitKey(address: string): string {
  if (isIP(address) !== 6) return address
  const [withoutZone = ''] = address.split('%', 1)
  // URL normalizes the address: lower case, no dotted end, the longest run of zeros as `::`.
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
