import t from 'tap'
import { bearerTokenOf } from '../../src/callers/bearer-token.ts'

t.test('takes the token from behind the scheme, however that is written', async (t) => {
  for (const header of ['Bearer a.b.c', 'bearer a.b.c', 'BEARER   a.b.c'])
    t.equal(bearerTokenOf(header), 'a.b.c', header)
  t.equal(bearerTokenOf('Bearer'), '', 'a scheme without a token is a bad token')
  for (const header of ['Basic a.b.c', 'Bearera.b.c', '', undefined])
    t.equal(bearerTokenOf(header), undefined, header ?? 'no header')
})
