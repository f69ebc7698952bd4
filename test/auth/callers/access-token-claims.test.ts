import t from 'tap'
import { checkClaims } from '../../../src/auth/callers/access-token-claims.ts'

const ISSUER = 'https://idp.example/'
const NOW_SECONDS = 1_800_000_000
const valid = { iss: ISSUER, aud: 'api://one', exp: NOW_SECONDS + 600 }

type Claims = Record<string, unknown>

const check = (claims: Claims, audienceClaim: 'aud' | 'client_id' = 'aud') =>
  checkClaims(
    { ...valid, ...claims },
    { issuer: ISSUER, audiences: ['api://one', 'two'], audienceClaim },
    NOW_SECONDS * 1000,
  )

const accepted: [name: string, claims: Claims, audienceClaim?: 'client_id'][] = [
  ['the first audience', {}],
  ['the second audience', { aud: 'two' }],
  ['one of several audiences of the token', { aud: ['api://other', 'two'] }],
  ['a token that has expired within the clock tolerance', { exp: NOW_SECONDS - 29 }],
  ['client_id instead of aud', { aud: undefined, client_id: 'two' }, 'client_id'],
  [
    'client_id beside an expected aud',
    { aud: ['api://one', 'api://other'], client_id: 'two' },
    'client_id',
  ],
  ['the access token of Cognito', { token_use: 'access' }],
  ['the access token of Keycloak with nonce', { typ: 'Bearer', nonce: 'n' }],
  ['the access token of PingAM with nonce', { token_type: 'Bearer', nonce: 'n' }],
  ['an unknown typ', { typ: 'anything' }],
]
for (const [name, claims, audienceClaim] of accepted) {
  t.test(`accepts ${name}`, async (t) => {
    t.doesNotThrow(() => check(claims, audienceClaim))
  })
}

const AUDIENCES = 'api://one two'
const refused: [name: string, claims: Claims, error: object, audienceClaim?: 'client_id'][] = [
  [
    'another issuer',
    { iss: 'https://other.example' },
    { reason: 'iss', mismatch: { expected: ISSUER, received: 'https://other.example' } },
  ],
  [
    'an issuer without the slash at its end',
    { iss: 'https://idp.example' },
    { reason: 'iss', mismatch: { expected: ISSUER, received: 'https://idp.example' } },
  ],
  [
    'a missing issuer',
    { iss: undefined },
    { reason: 'iss', mismatch: { expected: ISSUER, received: undefined } },
  ],
  [
    'an issuer in a list',
    { iss: [ISSUER] },
    { reason: 'iss', mismatch: { expected: ISSUER, received: ISSUER } },
  ],
  [
    'other audiences',
    { aud: ['api://a', 'api://b'] },
    { reason: 'aud', mismatch: { expected: AUDIENCES, received: 'api://a api://b' } },
  ],
  [
    'an audience that is no text',
    { aud: { 0: 'two' } },
    { reason: 'aud', mismatch: { expected: AUDIENCES, received: '' } },
  ],
  [
    'a missing audience, although client_id is expected',
    { aud: undefined, client_id: 'two' },
    { reason: 'aud', mismatch: { expected: AUDIENCES, received: undefined } },
  ],
  [
    'another client_id',
    { aud: undefined, client_id: 'three' },
    { reason: 'client_id', mismatch: { expected: AUDIENCES, received: 'three' } },
    'client_id',
  ],
  [
    'an expected aud without client_id',
    {},
    { reason: 'client_id', mismatch: { expected: AUDIENCES, received: undefined } },
    'client_id',
  ],
  [
    'another aud beside an expected client_id',
    { aud: 'api://other', client_id: 'two' },
    { reason: 'aud', mismatch: { expected: AUDIENCES, received: 'api://other' } },
    'client_id',
  ],
  ['an expired token', { exp: NOW_SECONDS - 30 }, { reason: 'exp', mismatch: undefined }],
  ['a token without exp', { exp: undefined }, { reason: 'exp' }],
  ['an exp that is no number', { exp: '9999999999' }, { reason: 'exp' }],
  ['an infinite exp', { exp: Number.POSITIVE_INFINITY }, { reason: 'exp' }],
  ['a nonce', { nonce: 'n' }, { reason: 'not an access token: nonce' }],
  ['a hash of an access token', { at_hash: 'h' }, { reason: 'not an access token: at_hash' }],
  ['a hash of a code', { c_hash: 'h' }, { reason: 'not an access token: c_hash' }],
  ['a hash of a state', { s_hash: 'h' }, { reason: 'not an access token: s_hash' }],
  [
    'a hash in a token that says that it is a bearer token',
    { at_hash: 'h', typ: 'Bearer', token_type: 'Bearer' },
    { reason: 'not an access token: at_hash' },
  ],
  ['the ID token of Cognito', { token_use: 'id' }, { reason: 'not an access token: token_use' }],
  ['the ID token of Keycloak', { typ: 'ID' }, { reason: 'not an access token: typ' }],
  ['the logout token of Keycloak', { typ: 'Logout' }, { reason: 'not an access token: typ' }],
]
for (const [name, claims, error, audienceClaim] of refused) {
  t.test(`refuses ${name}`, async (t) => {
    t.throws(() => check(claims, audienceClaim), { name: 'InvalidTokenError', ...error })
  })
}

t.test('names the values in at most 200 characters, without line breaks', async (t) => {
  const received = `a\r\n\u2028\u001b${'b'.repeat(10_000)}`
  try {
    check({ iss: received })
    t.fail('not refused')
  } catch (error) {
    t.match(error, { mismatch: { received: /^ab{195}$/ } })
  }
})

t.test('survives claims in many brackets', async (t) => {
  const nested = JSON.parse('['.repeat(5_000) + ']'.repeat(5_000))
  t.throws(() => check({ iss: nested }), { name: 'InvalidTokenError', reason: 'iss' })
  t.throws(() => check({ aud: nested }), { name: 'InvalidTokenError', reason: 'aud' })
})
