import { BlockList, isIP } from 'node:net'

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

/** Whether a host is `localhost` or a loopback address. IPv6 addresses may have brackets. */
export function isLoopback(host: string): boolean {
  const address = host.replace(/^\[(.*)\]$/, '$1')
  const family = isIP(address)
  return family === 0
    ? address.toLowerCase() === 'localhost'
    : LOOPBACK.check(address, family === 6 ? 'ipv6' : 'ipv4')
}

/** Whether a `Host` header names a loopback host, with or without a port. A missing one (HTTP/1.0) does: browsers send it. */
export function isLoopbackHost(header: string | undefined): boolean {
  return header === undefined || isLoopback(header.replace(/:\d*$/, ''))
}
