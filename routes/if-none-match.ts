/**
 * Whether `If-None-Match` names this entity tag, so that the answer is 304. Compared weakly, as it must be for GET: a
 * proxy that packs the answer makes the tag weak.
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
