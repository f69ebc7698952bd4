/**
 * What stands behind the scheme Bearer in an `Authorization` header; `undefined` for another scheme or no header.
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-11.4 for the scheme, which may be written in any case
 */
export function bearerTokenOf(authorization = ''): string | undefined {
  if (authorization.startsWith('Bearer ') && authorization[7] !== ' ') return authorization.slice(7)
  const scheme = /^bearer(?: +|$)/i.exec(authorization)
  return scheme ? authorization.slice(scheme[0].length) : undefined
}
