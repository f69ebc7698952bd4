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

/** True for a URL with https:, or with http: and a loopback host: what may be asked with, or for, a secret. */
export function isHttpsOrLoopback(url: string): boolean {
  if (!URL.canParse(url)) return false
  const { protocol, hostname } = new URL(url)
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname))
}
