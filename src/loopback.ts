import { BlockList, isIP } from 'node:net'

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

/** True for `localhost` and for loopback addresses, IPv6 ones with or without brackets. */
export function isLoopback(host: string): boolean {
  const address = host.replace(/^\[(.*)\]$/, '$1')
  const family = isIP(address)
  return family === 0
    ? address.toLowerCase() === 'localhost'
    : LOOPBACK.check(address, family === 6 ? 'ipv6' : 'ipv4')
}
