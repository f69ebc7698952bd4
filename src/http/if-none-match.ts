/**
 * Whether an `If-None-Match` header matches an entity tag, so that the response is 304. The comparison is weak, as it must
 * be for `If-None-Match`; proxies that compress a response make its tag weak.
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2
 */
export function matchesIfNoneMatch(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false
  return (
    header === etag ||
    header.trim() === '*' ||
    header.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag)
  )
}
