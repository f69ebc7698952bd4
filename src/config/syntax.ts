import { isIP } from 'node:net'

/** Splits a list at commas and spaces. */
export function splitList(list = ''): string[] {
  return list.split(/[\s,]+/).filter(Boolean)
}

/** Whether a list has at least one item and all items are valid. */
export function isListOf(isValid: (item: string) => boolean, list: string): boolean {
  const items = splitList(list)
  return items.length > 0 && items.every(isValid)
}

/** Whether a text is an origin (RFC 6454) with http: or https:, such as `https://app.example`. */
export function isOrigin(value: string): boolean {
  return /^https?:\/\/[^*]+$/.test(value) && URL.canParse(value) && new URL(value).origin === value
}

/** Whether a text is the name of an HTTP header (RFC 9110 §5.1). Not the wildcard of CORS, `*`. */
export function isHeaderName(value: string): boolean {
  return /^[A-Za-z0-9!#$%&'+.^_`|~-]{1,100}$/.test(value)
}

/** Whether a text is an IP address or a network such as `10.0.0.0/8`. The prefix length 0 would match every address. */
export function isNetwork(value: string): boolean {
  const [address = '', prefix, ...rest] = value.split('/')
  const family = isIP(address)
  if (family === 0 || rest.length > 0) return false
  return (
    prefix === undefined ||
    (/^[1-9]\d{0,2}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128))
  )
}

/** Whether a text is an absolute URI (RFC 3986 §4.3), of any scheme. */
export function isAbsoluteUri(value: string): boolean {
  return /^[a-z][a-z0-9+.-]*:[\x21-\x7e]{1,1024}$/i.test(value)
}

/** Whether a text is the URL of a proxy, without a path. User name and password must be percent-encoded. */
export function isProxyUrl(value: string): boolean {
  if (!/^https?:\/\/[^\s/?#]+\/?$/.test(value) || !URL.canParse(value)) return false
  const { username, password } = new URL(value)
  try {
    return decodeURIComponent(username + password) !== undefined
  } catch {
    return false
  }
}

/** The characters of a scope (RFC 6749 §3.3), as a character class. */
export const SCOPE = '[\\x21\\x23-\\x5b\\x5d-\\x7e]'
