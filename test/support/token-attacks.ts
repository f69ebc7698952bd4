import type { TestIssuer } from './test-issuer.ts'

/** An invalid token: a value after `Authorization: Bearer` that the service must reject. */
export interface TokenAttack {
  name: string
  token: (testIssuer: TestIssuer) => string | Promise<string>
}

const now = () => Math.floor(Date.now() / 1000)

/** All invalid tokens. */
export const TOKEN_ATTACKS: readonly TokenAttack[] = [
  // --- Missing and invalid signatures
  {
    name: 'alg none without signature',
    token: ({ compact, claims }) => compact({ alg: 'none' }, claims(), ''),
  },
  {
    name: 'alg none with a signature',
    token: ({ compact, claims }) => compact({ alg: 'none' }, claims()),
  },
  {
    name: 'alg nOnE',
    token: ({ compact, claims }) => compact({ alg: 'nOnE' }, claims()),
  },
  {
    name: 'a header without alg',
    token: ({ compact, claims }) => compact({ typ: 'JWT', kid: 'rsa' }, claims()),
  },
  {
    name: 'an alg that is not a string',
    token: ({ compact, claims }) => compact({ alg: ['RS256'], kid: 'rsa' }, claims()),
  },
  {
    name: 'RS256 without signature',
    token: ({ compact, claims }) => compact({ alg: 'RS256', kid: 'rsa' }, claims(), ''),
  },
  {
    name: 'RS256 with a random signature',
    token: ({ compact, claims }) => compact({ alg: 'RS256', kid: 'rsa' }, claims()),
  },
  {
    name: 'ES256 with an all-zero signature',
    token: ({ compact, claims }) =>
      compact({ alg: 'ES256', kid: 'ec' }, claims(), Buffer.alloc(64).toString('base64url')),
  },
  {
    name: 'a signature with a changed character',
    token: async ({ sign }) => changeCharacter(await sign()),
  },
  { name: 'a truncated signature', token: async ({ sign }) => (await sign()).slice(0, -20) },
  {
    name: 'changed claims with the original signature',
    token: async ({ sign, claims }) => {
      const [header, , signature] = (await sign()).split('.')
      return `${header}.${Buffer.from(JSON.stringify(claims({ sub: 'admin' }))).toString('base64url')}.${signature}`
    },
  },
  {
    name: 'a changed header with the original signature',
    token: async ({ sign }) => {
      const [, payload, signature] = (await sign()).split('.')
      return `${Buffer.from('{"alg":"RS256","kid":"rsa"}').toString('base64url')}.${payload}.${signature}`
    },
  },

  // --- Wrong keys
  {
    name: 'HS256 with the public key as the secret',
    token: async ({ hmac, publicPem }) => hmac(await publicPem()),
  },
  {
    name: 'HS256 with the JWK as the secret',
    token: ({ hmac, answer }) => hmac(JSON.stringify(answer.keys[0])),
  },
  { name: 'HS256 with an empty secret', token: ({ hmac }) => hmac('') },
  {
    name: 'HS256 with a symmetric key from the JWKS',
    token: ({ hmac }) => hmac('published-secret', { kid: 'oct' }),
  },
  {
    name: 'PS256 with a key for RS256',
    token: ({ compact, claims }) => compact({ alg: 'PS256', kid: 'rsa' }, claims()),
  },
  {
    name: 'a key for encryption',
    token: ({ sign, published }) =>
      sign({}, { kid: 'encryption' }, published.encryption?.privateKey),
  },
  {
    name: "the attacker's key with a known key id",
    token: ({ sign, attacker }) => sign({}, {}, attacker.privateKey),
  },
  {
    name: "the attacker's key with an unknown key id",
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
    name: 'the key id __proto__',
    token: ({ sign, attacker }) => sign({}, { kid: '__proto__' }, attacker.privateKey),
  },
  {
    name: 'a key id that is not a string',
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

  // --- Critical extensions and types
  {
    name: 'an unknown critical extension',
    token: ({ compact, claims }) =>
      compact({ alg: 'RS256', kid: 'rsa', crit: ['exp2'], exp2: 1 }, claims()),
  },
  {
    name: 'an empty list of critical extensions',
    token: ({ compact, claims }) => compact({ alg: 'RS256', kid: 'rsa', crit: [] }, claims()),
  },
  {
    name: 'an unencoded payload',
    token: ({ compact, claims }) =>
      compact({ alg: 'RS256', kid: 'rsa', crit: ['b64'], b64: false }, claims()),
  },
  { name: 'another typ', token: ({ sign }) => sign({}, { typ: 'logout+jwt' }) },
  {
    name: 'a typ that is not a string',
    token: ({ sign }) => sign({}, { typ: ['at+jwt'] as never }),
  },

  // --- Claims
  { name: 'an expired token', token: ({ sign }) => sign({ exp: now() - 31 }) },
  { name: 'exp 0', token: ({ sign }) => sign({ exp: 0 }) },
  { name: 'a token without exp', token: ({ sign }) => sign({ exp: undefined }) },
  { name: 'an exp that is a string', token: ({ sign }) => sign({ exp: '9999999999' }) },
  {
    name: 'an exp that is infinite',
    token: ({ compact, claims }) =>
      compact(
        { alg: 'RS256', kid: 'rsa' },
        JSON.stringify(claims()).replace(/"exp":\d+/, '"exp":1e999'),
      ),
  },
  { name: 'an exp that is null', token: ({ sign }) => sign({ exp: null }) },
  { name: 'a token that is not valid yet', token: ({ sign }) => sign({ nbf: now() + 31 }) },
  { name: 'an nbf that is a string', token: ({ sign }) => sign({ nbf: '0' }) },
  { name: 'another issuer', token: ({ sign }) => sign({ iss: 'https://idp.example' }) },
  {
    name: 'an issuer that starts with the expected one',
    token: ({ sign, issuer }) => sign({ iss: `${issuer}.example` }),
  },
  {
    name: 'an issuer with a slash at its end',
    token: ({ sign, issuer }) => sign({ iss: `${issuer}/` }),
  },
  { name: 'an issuer in an array', token: ({ sign, issuer }) => sign({ iss: [issuer] }) },
  { name: 'a token without issuer', token: ({ sign }) => sign({ iss: undefined }) },
  { name: 'another audience', token: ({ sign }) => sign({ aud: 'api://other' }) },
  {
    name: 'an audience that starts with the expected one',
    token: ({ sign }) => sign({ aud: 'api://cdf-job-quality-2' }),
  },
  { name: 'several other audiences', token: ({ sign }) => sign({ aud: ['api://a', 'api://b'] }) },
  {
    name: 'an audience in an object',
    token: ({ sign }) => sign({ aud: { 0: 'api://cdf-job-quality' } }),
  },
  { name: 'a token without audience', token: ({ sign }) => sign({ aud: undefined }) },
  {
    name: 'claims in 3,000 brackets',
    token: ({ sign }) => sign({ aud: JSON.parse('['.repeat(3_000) + ']'.repeat(3_000)) }),
  },

  // --- Other tokens of the issuer
  { name: 'an ID token with nonce', token: ({ sign }) => sign({ nonce: 'n' }, { typ: 'JWT' }) },
  { name: 'an ID token with at_hash', token: ({ sign }) => sign({ at_hash: 'h' }, { typ: 'JWT' }) },
  { name: 'an ID token with token_use', token: ({ sign }) => sign({ token_use: 'id' }) },
  { name: 'an ID token with typ', token: ({ sign }) => sign({ typ: 'ID' }, { typ: 'JWT' }) },

  // --- Malformed tokens
  { name: 'an empty token', token: () => '' },
  { name: 'the word null', token: () => 'null' },
  { name: 'two parts', token: async ({ sign }) => (await sign()).split('.').slice(0, 2).join('.') },
  { name: 'four parts', token: async ({ sign }) => `${await sign()}.AAAA` },
  {
    name: 'five parts, like an encrypted token',
    token: ({ compact }) => `${compact({ alg: 'dir', enc: 'A256GCM' }, 'x')}.AAAA.AAAA`,
  },
  { name: 'two tokens', token: async ({ sign }) => `${await sign()} ${await sign()}` },
  {
    name: 'a token followed by other credentials',
    token: async ({ sign }) => `${await sign()}, Basic eDp5`,
  },
  { name: 'a token in quotes', token: async ({ sign }) => `"${await sign()}"` },
  { name: 'padding', token: async ({ sign }) => `${await sign()}==` },
  { name: 'a non-ASCII character', token: async ({ sign }) => `${await sign()}\u00e9` },
  {
    name: 'a header that is not JSON',
    token: ({ compact, claims }) => compact('nonsense', claims()),
  },
  { name: 'a header that is an array', token: ({ compact, claims }) => compact([], claims()) },
  {
    name: 'a payload that is not JSON',
    token: ({ compact }) => compact({ alg: 'RS256', kid: 'rsa' }, 'nonsense'),
  },
  {
    name: 'the JSON serialization',
    token: ({ claims }) => JSON.stringify({ payload: claims(), signatures: [] }),
  },
  {
    name: 'a token of more than 16 KiB',
    token: ({ sign }) => sign({ padding: 'x'.repeat(12_000) }),
  },
]

function changeCharacter(token: string): string {
  // Not the last character: it can contain unused bits.
  const place = token.length - 5
  return `${token.slice(0, place)}${token[place] === 'A' ? 'B' : 'A'}${token.slice(place + 1)}`
}
