import { isLoopback } from './loopback.ts'

/**
 * Whether tokens and secrets may be sent to a URL: `https:`, or `http:` to a loopback host or to a host that the operator
 * allows.
 * @param insecureHttpHosts as in the `hostname` of a URL: lower case, IPv6 addresses in brackets
 */
export function isSecureUrl(url: string, insecureHttpHosts: readonly string[] = []): boolean {
  if (!URL.canParse(url)) return false
  const { protocol, hostname } = new URL(url)
  const isAllowed = () => isLoopback(hostname) || insecureHttpHosts.includes(hostname)
  return protocol === 'https:' || (protocol === 'http:' && isAllowed())
}

/** Whether a text is a host name or IP address as in the `hostname` of a URL, and not a wildcard. */
export function isHostname(text: string): boolean {
  const url = `http://${text}/`
  return !text.includes('*') && URL.canParse(url) && new URL(url).hostname === text
}
