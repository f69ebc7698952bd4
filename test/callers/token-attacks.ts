import type { Forge } from './forge.ts'

/** A bad token, or rather what stands behind `Authorization: Bearer`; each must be refused like all others. */
export interface TokenAttack {
  name: string
  token: (forge: Forge) => string | Promise<string>
}

const now = () => Math.floor(Date.now() / 1000)

/** The attack corpus. Whoever thinks of another one adds a row. */
export const TOKEN_ATTACKS: readonly TokenAttack[] = [
  // --- No signature that counts
  {
    name: 'alg none without signature',
    token: ({ compact, claims }) => compact({ alg: 'none' }, claims(), ''),
  },
  {
    name: 'alg none with a signature',
    token: ({ compact, claims }) => compact({ alg: 'none' }, claims()),
  },
  {
    name: 'alg none in another spelling',
    token: ({ compact, claims }) => compact({ alg: 'nOnE' }, claims()),
  },
  { name: 'no alg', token: ({ compact, claims }) => compact({ typ: 'JWT', kid: 'rsa' }, claims()) },
  {
    name: 'alg that is no text',
    token: ({ compact, claims }) => compact({ alg: ['RS256'], kid: 'rsa' }, claims()),
  },
  {
    name: 'RS256 without signature',
    token: ({ compact, claims }) => compact({ alg: 'RS256', kid: 'rsa' }, claims(), ''),
  },
  {
    name: 'RS256 with nonsense for a signature',
    token: ({ compact, claims }) => compact({ alg: 'RS256', kid: 'rsa' }, claims()),
  },
  {
    name: 'ES256 with a signature of zeros',
    token: ({ compact, claims }) =>
      compact({ alg: 'ES256', kid: 'ec' }, claims(), Buffer.alloc(64).toString('base64url')),
  },
  { name: 'a signature with one bit changed', token: async ({ sign }) => changeLast(await sign()) },
  { name: 'a signature cut short', token: async ({ sign }) => (await sign()).slice(0, -20) },
  {
    name: 'other claims under a good signature',
    token: async ({ sign, claims }) => {
      const [header, , signature] = (await sign()).split('.')
      return `${header}.${Buffer.from(JSON.stringify(claims({ sub: 'admin' }))).toString('base64url')}.${signature}`
    },
  },
  {
    name: 'another header over a good signature',
    token: async ({ sign }) => {
      const [, payload, signature] = (await sign()).split('.')
      return `${Buffer.from('{"alg":"RS256","kid":"rsa"}').toString('base64url')}.${payload}.${signature}`
    },
  },

  // --- Key confusion
  {
    name: 'HS256 with the public key as secret',
    token: async ({ hmac, publicPem }) => hmac(await publicPem()),
  },
  {
    name: 'HS256 with the published key as secret',
    token: ({ hmac, answer }) => hmac(JSON.stringify(answer.keys[0])),
  },
  { name: 'HS256 with an empty secret', token: ({ hmac }) => hmac('') },
  {
    name: 'HS256 with a symmetric key that is published',
    token: ({ hmac }) => hmac('published-secret', { kid: 'oct' }),
  },
  {
    name: 'PS256 with a key that is published for RS256',
    token: ({ compact, claims }) => compact({ alg: 'PS256', kid: 'rsa' }, claims()),
  },
  {
    name: 'a key that is published for encryption',
    token: ({ sign, published }) =>
      sign({}, { kid: 'encryption' }, published.encryption?.privateKey),
  },
  {
    name: "the attacker's key under a known key id",
    token: ({ sign, attacker }) => sign({}, {}, attacker.privateKey),
  },
  {
    name: "the attacker's key under an unknown key id",
    token: ({ sign, attacker }) => sign({}, { kid: 'mine' }, attacker.privateKey),
  },
  {
    name: "the attacker's key without a key id",
    token: ({ sign, attacker }) => sign({}, { kid: undefined }, attacker.privateKey),
  },
  {
    name: 'a key id that is a path',
    token: ({ sign, attacker }) => sign({}, { kid: '../../../dev/null' }, attacker.privateKey),
  },
  {
    name: 'a key id that is SQL',
    token: ({ sign, attacker }) =>
      sign({}, { kid: "x' UNION SELECT 'key'--" }, attacker.privateKey),
  },
  {
    name: 'a key id that every object has',
    token: ({ sign, attacker }) => sign({}, { kid: '__proto__' }, attacker.privateKey),
  },
  {
    name: 'a key id that is no text',
    token: ({ compact, claims }) => compact({ alg: 'RS256', kid: { $ne: 1 } }, claims()),
  },
  {
    name: "jku with the attacker's keys",
    token: ({ sign, attacker, attackerKeysUrl }) =>
      sign({}, { jku: attackerKeysUrl }, attacker.privateKey),
  },
  {
    name: "x5u with the attacker's certificate",
    token: ({ sign, attacker, attackerKeysUrl }) =>
      sign({}, { x5u: attackerKeysUrl }, attacker.privateKey),
  },
  {
    name: "jwk with the attacker's key",
    token: ({ sign, attacker }) => sign({}, { jwk: attacker.jwk }, attacker.privateKey),
  },
  {
    name: "x5c with the attacker's certificate",
    token: ({ sign, attacker }) => sign({}, { x5c: ['MIIB'] }, attacker.privateKey),
  },

  // --- Extensions
  {
    name: 'an unknown extension that must be understood',
    token: ({ compact, claims }) =>
      compact({ alg: 'RS256', kid: 'rsa', crit: ['exp2'], exp2: 1 }, claims()),
  },
  {
    name: 'an empty list of extensions',
    token: ({ compact, claims }) => compact({ alg: 'RS256', kid: 'rsa', crit: [] }, claims()),
  },
  {
    name: 'a payload that is not encoded',
    token: ({ compact, claims }) =>
      compact({ alg: 'RS256', kid: 'rsa', crit: ['b64'], b64: false }, claims()),
  },
  { name: 'a token of another kind', token: ({ sign }) => sign({}, { typ: 'logout+jwt' }) },
  { name: 'a kind that is no text', token: ({ sign }) => sign({}, { typ: ['at+jwt'] as never }) },

  // --- Claims
  { name: 'expired', token: ({ sign }) => sign({ exp: now() - 31 }) },
  { name: 'expired at the beginning of time', token: ({ sign }) => sign({ exp: 0 }) },
  { name: 'no exp', token: ({ sign }) => sign({ exp: undefined }) },
  { name: 'exp as text', token: ({ sign }) => sign({ exp: '9999999999' }) },
  { name: 'exp null', token: ({ sign }) => sign({ exp: null }) },
  { name: 'not valid yet', token: ({ sign }) => sign({ nbf: now() + 31 }) },
  { name: 'nbf as text', token: ({ sign }) => sign({ nbf: '0' }) },
  { name: 'another issuer', token: ({ sign }) => sign({ iss: 'https://idp.example' }) },
  {
    name: 'an issuer that begins with the right one',
    token: ({ sign, issuer }) => sign({ iss: `${issuer}.example` }),
  },
  { name: 'an issuer in a list', token: ({ sign, issuer }) => sign({ iss: [issuer] }) },
  { name: 'no issuer', token: ({ sign }) => sign({ iss: undefined }) },
  { name: 'another audience', token: ({ sign }) => sign({ aud: 'api://other' }) },
  {
    name: 'an audience that begins with the right one',
    token: ({ sign }) => sign({ aud: 'api://cdf-job-quality-2' }),
  },
  { name: 'other audiences', token: ({ sign }) => sign({ aud: ['api://a', 'api://b'] }) },
  {
    name: 'an audience in an object',
    token: ({ sign }) => sign({ aud: { 0: 'api://cdf-job-quality' } }),
  },
  { name: 'no audience', token: ({ sign }) => sign({ aud: undefined }) },

  // --- Form
  { name: 'nothing', token: () => '' },
  { name: 'a word', token: () => 'null' },
  { name: 'two parts', token: async ({ sign }) => (await sign()).split('.').slice(0, 2).join('.') },
  { name: 'four parts', token: async ({ sign }) => `${await sign()}.AAAA` },
  {
    name: 'five parts, as if encrypted',
    token: ({ compact }) => `${compact({ alg: 'dir', enc: 'A256GCM' }, 'x')}.AAAA.AAAA`,
  },
  { name: 'two tokens', token: async ({ sign }) => `${await sign()} ${await sign()}` },
  { name: 'a token and a comma', token: async ({ sign }) => `${await sign()}, Basic eDp5` },
  { name: 'a token in quotes', token: async ({ sign }) => `"${await sign()}"` },
  { name: 'padding', token: async ({ sign }) => `${await sign()}==` },
  { name: 'characters of another alphabet', token: async ({ sign }) => `${await sign()}\u00e9` },
  {
    name: 'a header that is no JSON',
    token: ({ compact, claims }) => compact('nonsense', claims()),
  },
  { name: 'a header that is an array', token: ({ compact, claims }) => compact([], claims()) },
  {
    name: 'a payload that is no JSON',
    token: ({ compact }) => compact({ alg: 'RS256', kid: 'rsa' }, 'nonsense'),
  },
  {
    name: 'JSON instead of the compact form',
    token: ({ claims }) => JSON.stringify({ payload: claims(), signatures: [] }),
  },
  { name: 'more than 8 KiB', token: ({ sign }) => sign({ padding: 'x'.repeat(7_000) }) },
]

function changeLast(token: string): string {
  // The very last character of a signature may hold unused bits.
  const place = token.length - 5
  return `${token.slice(0, place)}${token[place] === 'A' ? 'B' : 'A'}${token.slice(place + 1)}`
}
