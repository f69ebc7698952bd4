import { hash } from 'node:crypto'

/** A strong entity tag for content, with its quotes: 132 bits of SHA-256. */
export function entityTagFor(content: string | Buffer): string {
  return `"${hash('sha256', content, 'base64url').slice(0, 22)}"`
}

/**
 * What compressing proxies append to a tag, before its last quote: Apache, lighttpd and Caddy `-gzip`, Jetty `--gzip`.
 * Apache also appends to a tag with a suffix, so there can be several.
 */
const CODING_SUFFIXES = /^(?:--?(?:gzip|br|deflate|zstd))+"$/

/**
 * Whether a tag that a caller sends stands for a tag of this service. The comparison is weak; proxies that compress a
 * response make its tag weak or append the coding.
 * @param own a strong tag with its quotes
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3.2
 */
export function isSameEntityTag(received: string, own: string): boolean {
  const tag = received.startsWith('W/') ? received.slice(2) : received
  if (tag === own) return true
  const opaque = own.slice(0, -1)
  return tag.startsWith(opaque) && CODING_SUFFIXES.test(tag.slice(opaque.length))
}

/**
 * Whether an `If-None-Match` header matches an entity tag, so that the response is 304.
 * @param own a strong tag with its quotes
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2
 */
export function matchesIfNoneMatch(header: string | undefined, own: string): boolean {
  if (header === undefined) return false
  return (
    header === own ||
    header.trim() === '*' ||
    header.split(',').some((tag) => isSameEntityTag(tag.trim(), own))
  )
}
