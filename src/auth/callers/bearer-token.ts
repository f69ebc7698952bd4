/**
 * The credentials of an `Authorization` header with the scheme Bearer, in any case; `undefined` for another scheme.
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-11.4
 */
export function bearerTokenOf(authorization = ''): string | undefined {
  const scheme = /^bearer(?: +|$)/i.exec(authorization)
  return scheme ? authorization.slice(scheme[0].length) : undefined
}
