import type { Test } from 'tap'
import t from 'tap'
import { lasting, SCORES } from '../../../simulator/upstream/simulated-job.ts'
import { JOB_ID } from '../../support/fixtures.ts'
import { readRecipes } from '../../support/recipes.ts'
import { startService } from '../../support/start-service.ts'
import { startTestIssuer } from '../../support/test-issuer.ts'
import { until } from '../../support/wait.ts'

type Claims = Record<string, unknown>

/** The tokens of an identity provider. `iss` is the issuer in its discovery document, unless the claims have another. */
interface Vendor {
  /** Heading of the recipe in docs/configuration.md, whose `AUTH_…` variables the service gets. */
  recipe: string
  /** Members of the discovery document besides `issuer` and `jwks_uri`. */
  discovery?: Claims
  /** The header of tokens besides `alg` and `kid`. */
  header: Record<string, string>
  /** The claims of an access token besides `iss`, `iat` and `exp`. */
  claims: Claims
  accepted?: [name: string, claims: Claims][]
  /** Changed claims, and what the log says. */
  refused: [name: string, claims: Claims, logged: Claims][]
}

const TENANT = '11111111-1111-1111-1111-111111111111'
const API = '33333333-3333-3333-3333-333333333333'
const CLIENT = '44444444-4444-4444-4444-444444444444'
const AD_FS_ISSUER = 'http://adfs.example/adfs/services/trust'

const VENDORS: Vendor[] = [
  {
    recipe: 'Entra ID',
    header: { typ: 'JWT' },
    claims: {
      ...{ aud: API, azp: CLIENT, azpacr: '0', oid: 'user', sub: 'pairwise', tid: TENANT },
      ...{ name: 'A User', scp: 'jobs.read', uti: 'x', ver: '2.0', aio: 'x', rh: 'x' },
    },
    accepted: [
      ['the token of an application', { scp: undefined, roles: ['jobs.read'], azpacr: '1' }],
    ],
    refused: [
      [
        'a v1 token',
        { iss: `https://sts.windows.net/${TENANT}/`, aud: `api://${API}`, ver: '1.0' },
        { reason: 'iss', received: `https://sts.windows.net/${TENANT}/` },
      ],
      [
        'a token for another API',
        { aud: '00000003-0000-0000-c000-000000000000' },
        { reason: 'aud', expected: API, received: '00000003-0000-0000-c000-000000000000' },
      ],
      [
        'the ID token of a client',
        { aud: CLIENT, scp: undefined, nonce: 'n' },
        { reason: 'not an access token: nonce' },
      ],
    ],
  },
  {
    recipe: 'Entra ID with v1 tokens',
    header: { typ: 'JWT', x5t: 'rsa' },
    claims: {
      ...{ aud: `api://${API}`, acr: '1', amr: ['pwd'], appid: CLIENT, appidacr: '0' },
      ...{ ipaddr: '192.0.2.1', name: 'A User', oid: 'user', scp: 'jobs.read', sub: 'pairwise' },
      ...{ tid: TENANT, unique_name: 'user@example.com', uti: 'x', ver: '1.0' },
    },
    accepted: [['a token for the application id', { aud: API }]],
    refused: [
      [
        'a v2 token',
        { iss: `https://login.microsoftonline.com/${TENANT}/v2.0`, aud: API, ver: '2.0' },
        { reason: 'iss', received: `https://login.microsoftonline.com/${TENANT}/v2.0` },
      ],
      [
        'a token for another API',
        { aud: 'https://graph.microsoft.com' },
        { reason: 'aud', expected: `api://${API} ${API}`, received: 'https://graph.microsoft.com' },
      ],
    ],
  },
  {
    recipe: 'Auth0',
    header: { typ: 'JWT' },
    claims: {
      ...{ sub: 'auth0|123456', azp: 'my_client_id', gty: 'password', scope: 'openid jobs:read' },
      aud: ['https://quality.example', 'https://my-tenant.eu.auth0.com/userinfo'],
    },
    accepted: [
      ['a permission of the user', { scope: 'openid profile', permissions: ['jobs:read'] }],
      ['a token with the profile of RFC 9068', { azp: undefined, client_id: 'my_client_id' }],
    ],
    refused: [
      [
        'a token for another API',
        { aud: 'https://other.example' },
        { reason: 'aud', expected: 'https://quality.example', received: 'https://other.example' },
      ],
      [
        'an ID token',
        { aud: 'my_client_id', scope: undefined, nonce: 'n', at_hash: 'h' },
        { reason: 'not an access token: nonce' },
      ],
    ],
  },
  {
    recipe: 'Keycloak',
    header: { typ: 'JWT' },
    claims: {
      ...{ jti: 'onrtac:x', aud: ['cdf-job-quality', 'account'], sub: 'user', typ: 'Bearer' },
      ...{ azp: 'front-end', sid: 's', acr: '1', 'allowed-origins': ['https://app.example'] },
      ...{ realm_access: { roles: ['offline_access'] }, scope: 'openid jobs-read profile' },
    },
    accepted: [['a token of a version before 25', { nonce: 'n', session_state: 's' }]],
    refused: [
      [
        'a token without an audience mapper',
        { aud: 'account' },
        { reason: 'aud', expected: 'cdf-job-quality', received: 'account' },
      ],
      [
        'an ID token',
        { aud: 'front-end', typ: 'ID', scope: undefined, nonce: 'n', at_hash: 'h' },
        { reason: 'not an access token: typ' },
      ],
    ],
  },
  {
    recipe: 'Okta',
    header: {},
    claims: {
      ...{ ver: 1, jti: 'AT.x', aud: 'api://default', cid: '0oa1', uid: '00u1' },
      ...{ scp: ['openid', 'jobs.read'], sub: 'user@example.com', auth_time: 1 },
    },
    refused: [
      [
        'a token of the org authorization server',
        { iss: 'https://my-org.okta.com', aud: 'https://my-org.okta.com' },
        { reason: 'iss', received: 'https://my-org.okta.com' },
      ],
      [
        'an ID token',
        { aud: '0oa1', scp: undefined, at_hash: 'h', amr: ['pwd'] },
        { reason: 'not an access token: at_hash' },
      ],
    ],
  },
  {
    recipe: 'Amazon Cognito',
    header: {},
    claims: {
      ...{ sub: 'user', client_id: '2example34567890', origin_jti: 'x', event_id: 'x' },
      ...{ token_use: 'access', auth_time: 1, jti: 'x', username: 'user', version: 2 },
      scope: 'openid https://quality.example/jobs.read',
    },
    refused: [
      [
        'a token of another app client',
        { client_id: 'other' },
        {
          reason: 'client_id',
          expected: '1example23456789 2example34567890',
          received: 'other',
        },
      ],
      [
        'a token for another resource',
        { aud: 'https://other.example' },
        { reason: 'aud', received: 'https://other.example' },
      ],
      [
        'an ID token',
        { aud: '2example34567890', client_id: undefined, token_use: 'id', scope: undefined },
        { reason: 'not an access token: token_use' },
      ],
    ],
  },
  {
    recipe: 'AD FS',
    discovery: { access_token_issuer: AD_FS_ISSUER },
    header: { typ: 'JWT', x5t: 'rsa' },
    claims: {
      ...{ iss: AD_FS_ISSUER, aud: 'https://quality.example', apptype: 'Public', appid: CLIENT },
      ...{ authmethod: 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport' },
      ...{ auth_time: '2026-01-07T10:00:00.000Z', ver: '1.0', scp: 'openid jobs.read' },
    },
    refused: [
      [
        'an ID token, which has the issuer of the discovery document',
        { iss: undefined, aud: CLIENT, nonce: 'n' },
        { reason: 'iss', expected: AD_FS_ISSUER },
      ],
      [
        'a token for userinfo',
        { aud: 'urn:microsoft:userinfo' },
        { reason: 'aud', received: 'urn:microsoft:userinfo' },
      ],
    ],
  },
]

const recipes = await readRecipes()

/** A service with the `AUTH_…` variables of a recipe; the test issuer takes the place of the vendor. */
async function start(t: Test, { recipe, discovery = {}, header, claims }: Vendor) {
  const testIssuer = await startTestIssuer(t)
  const variables = Object.entries(recipes.get(recipe) ?? {}).filter(([name]) =>
    name.startsWith('AUTH_'),
  )
  const documented = Object.fromEntries(variables)
  const { pathname } = new URL(documented.AUTH_ISSUER ?? '')
  const issuer = `${testIssuer.issuer}${pathname}`
  testIssuer.discovery = { issuer, ...discovery }
  const service = await startService(t, {
    environment: { AUTH_MODE: 'jwt', ...documented, AUTH_ISSUER: issuer },
  })
  service.simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
  /** Removes the claims of the test issuer that the vendor does not send. */
  const none = { aud: undefined, sub: undefined, client_id: undefined, scope: undefined }
  const getWith = async (changed: Claims = {}) => {
    const all = { ...none, iss: issuer, ...claims, ...changed }
    if ('iss' in changed && changed.iss === undefined) all.iss = issuer
    const token = await testIssuer.sign(all, { typ: undefined, ...header })
    return service.quality(JOB_ID, { authorization: `Bearer ${token}` })
  }
  const refusals = () =>
    service.logs
      .filter(({ msg }) => msg === 'authentication failed')
      .map(({ reason, expected, received }) => ({ reason, expected, received }))
  return { ...service, issuer, getWith, refusals }
}

for (const vendor of VENDORS) {
  t.test(`accepts access tokens with the recipe for ${vendor.recipe}`, async (t) => {
    const { getWith, refusals, logs } = await start(t, vendor)
    for (const [name, claims] of [['an access token', {}] as const, ...(vendor.accepted ?? [])])
      t.equal((await getWith(claims)).status, 200, name)
    t.strictSame(refusals(), [])
    await until(() => logs.some(({ msg }) => msg === 'request'))
    const { caller } = logs.find(({ msg }) => msg === 'request') ?? {}
    t.ok((caller as { client?: string }).client, 'the log names the client')
  })

  t.test(`refuses other tokens with the recipe for ${vendor.recipe}`, async (t) => {
    const { getWith, refusals } = await start(t, vendor)
    for (const [name, claims] of vendor.refused) t.equal((await getWith(claims)).status, 401, name)
    t.match(
      refusals(),
      vendor.refused.map(([, , logged]) => logged),
    )
    const withoutScope = { scope: 'openid', scp: undefined, permissions: undefined }
    t.equal((await getWith(withoutScope)).status, 403, 'a token without the scope')
  })
}

t.test('accepts tokens of AD FS with its JWKS URL, without discovery', async (t) => {
  const testIssuer = await startTestIssuer(t)
  testIssuer.discovery = { issuer: 'https://other.example' }
  const { quality, simulator } = await startService(t, {
    environment: {
      AUTH_MODE: 'jwt',
      AUTH_ISSUER: AD_FS_ISSUER,
      AUTH_JWKS_URL: `${testIssuer.issuer}/keys?appid=x`,
      AUTH_AUDIENCE: 'https://quality.example',
    },
  })
  simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
  const statusOf = async (iss: string) => {
    const token = await testIssuer.sign({ iss, aud: 'https://quality.example' })
    return (await quality(JOB_ID, { authorization: `Bearer ${token}` })).status
  }
  t.equal(await statusOf(AD_FS_ISSUER), 200)
  t.equal(await statusOf(`${AD_FS_ISSUER}/`), 401)
})

t.test('names both issuers in the log if the discovery document has another one', async (t) => {
  const testIssuer = await startTestIssuer(t)
  // As Entra ID does if /v2.0 is missing in AUTH_ISSUER.
  testIssuer.discovery = { issuer: `https://sts.windows.net/${TENANT}/` }
  const { logs, get } = await startService(t, {
    environment: { AUTH_MODE: 'jwt', AUTH_ISSUER: testIssuer.issuer, AUTH_AUDIENCE: API },
  })
  await until(() => logs.some(({ msg }) => msg === 'JWKS fetch failed'))
  const { err } = logs.find(({ msg }) => msg === 'JWKS fetch failed') ?? {}
  t.equal(
    (err as Error).message,
    `the discovery document of ${testIssuer.issuer} names another issuer: https://sts.windows.net/${TENANT}/`,
  )
  t.match(await get('/health/ready'), { status: 503 })
})
