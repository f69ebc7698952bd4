import t from 'tap'
import { bearerTokenOf } from '../../../src/auth/callers/bearer-token.ts'

t.test('returns the token after the scheme, which is case-insensitive', async (t) => {
  for (const header of ['Bearer a.b.c', 'bearer a.b.c', 'BEARER   a.b.c'])
    t.equal(bearerTokenOf(header), 'a.b.c', header)
  t.equal(bearerTokenOf('Bearer'), '', 'a scheme without a token is an empty token')
  for (const header of ['Basic a.b.c', 'Bearera.b.c', '', undefined])
    t.equal(bearerTokenOf(header), undefined, header ?? 'no header')
})
