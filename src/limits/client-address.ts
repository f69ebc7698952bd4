import { isIP } from 'node:net'

/** An IPv6 address has up to 45 characters; brackets, a port and a zone add some. */
const MAX_LENGTH = 100

/**
 * The IP address in a text as it stands in `X-Forwarded-For`: alone, with a port (`192.0.2.1:4711`), in brackets
 * (`[2001:db8::1]:443`) or with a zone (`fe80::1%eth0`); `undefined` if there is none.
 */
export function parseAddress(text: string): string | undefined {
  if (text.length > MAX_LENGTH) return undefined
  const bracketed = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(text)
  const withPort = /^([\d.]+):\d{1,5}$/.exec(text)
  const [address = ''] = (bracketed?.[1] ?? withPort?.[1] ?? text).split('%', 1)
  return isIP(address) === 0 ? undefined : address
}

/**
 * The address of a caller. Behind trusted proxies it is a text of another server, which may be anything: if it holds no
 * address, the address of the socket counts.
 */
export function clientAddress({
  ip,
  socket,
}: {
  /** As Fastify takes it from the socket or `X-Forwarded-For`. */
  ip: string
  socket: { remoteAddress?: string | undefined }
}): string {
  return parseAddress(ip) ?? parseAddress(socket.remoteAddress ?? '') ?? 'unknown'
}
