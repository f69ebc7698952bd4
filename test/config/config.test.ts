import { generateKeyPairSync } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { inspect } from 'node:util'
import t from 'tap'
import { loadConfig } from '../../src/config/config.ts'
import { VARIABLES } from '../../src/config/environment.ts'
import { ConfigError } from '../../src/config/load-environment.ts'
import { certificateText } from '../support/fixtures.ts'

const SECRET = 'very-secret'
const minimal = {
  CDF_PROJECT: 'my-project',
  CDF_CLUSTER: 'westeurope-1',
  IDP_CLIENT_ID: 'client',
  IDP_CLIENT_SECRET: SECRET,
  IDP_TENANT_ID: '48d5043c-cf70-4c49-881c-c638f5796997',
  AUTH_MODE: 'none',
}

/** The issues of an invalid configuration. */
function issuesOf(variables: Record<string, string | undefined>): readonly string[] {
  try {
    loadConfig(variables)
  } catch (error) {
    if (error instanceof ConfigError) return error.issues
    throw error
  }
  return []
}

t.test('has a default for every optional variable', async (t) => {
  const { identityProvider, outbound, ...config } = loadConfig(minimal)
  t.strictSame(config, {
    cdf: {
      baseUrl: 'https://westeurope-1.cognitedata.com',
      project: 'my-project',
      version: 'alpha',
    },
    auth: { jwt: undefined, requiredScope: undefined },
    watches: { maxStreams: 256, maxWatchedJobs: 1_000 },
    rateLimit: { perMinute: 600 },
    cors: { origins: [], allowHeaders: [] },
    publicUrl: undefined,
    listen: { host: '127.0.0.1', port: 3000 },
    metrics: { listen: { host: '127.0.0.1', port: 9464 } },
    server: {
      logLevel: 'info',
      keepAliveTimeoutMs: 72_000,
      trustProxy: false,
      loopbackHostOnly: true,
    },
    docs: { enabled: true, oauth: undefined },
    jobs: {
      maxEntries: 10_000,
      ttlMs: 86_400_000,
      statusFreshMs: 1000,
      notFoundTtlMs: 5000,
      staleIfErrorMs: 30_000,
    },
    upstream: {
      attemptTimeoutMs: 4000,
      deadlineMs: 8000,
      maxAttempts: 2,
      maxConcurrency: 8,
      maxQueue: 256,
    },
    polling: { pollsPerSecond: 20 },
    redis: undefined,
    shutdown: { graceMs: 10_000, delayMs: 0 },
  })
  t.equal(identityProvider.timeoutMs, 5000)
  t.strictSame(outbound.insecureHttpHosts, [])
  t.strictSame(Object.values(outbound.proxies()), [undefined, undefined, undefined])
})

t.test('derives token URL and scope from an Entra ID tenant and the CDF URL', async (t) => {
  const { server, scope, audience, clientId } = loadConfig(minimal).identityProvider
  t.match(server, {
    tokenUrl: new URL(
      'https://login.microsoftonline.com/48d5043c-cf70-4c49-881c-c638f5796997/oauth2/v2.0/token',
    ),
  })
  t.equal(scope, 'https://westeurope-1.cognitedata.com/.default')
  t.equal(audience, undefined)
  t.equal(clientId, 'client')
})

t.test('has no default scope if the token URL is configured', async (t) => {
  const variables = {
    ...minimal,
    IDP_TENANT_ID: undefined,
    IDP_TOKEN_URL: 'https://auth.example/token',
  }
  const { server, scope } = loadConfig(variables).identityProvider
  t.match(server, { tokenUrl: new URL('https://auth.example/token') })
  t.equal(scope, undefined)
})

for (const suffix of [
  '',
  '/',
  '/.well-known/openid-configuration',
  '/.well-known/openid-configuration/',
]) {
  t.test(`accepts an issuer with the suffix "${suffix}"`, async (t) => {
    const variables = {
      ...minimal,
      IDP_TENANT_ID: '',
      IDP_DISCOVERY_URL: `https://auth.example/realms/r${suffix}`,
    }
    const { server } = loadConfig(variables).identityProvider
    t.match(server, {
      issuer: new URL(`https://auth.example/realms/r${suffix === '/' ? '/' : ''}`),
    })
  })
}

const accepted: [name: string, variables: Record<string, string>, path: string, value: unknown][] =
  [
    [
      'a base URL in place of a cluster',
      { CDF_URL: 'https://p001.plink.example.com/' },
      'cdf.baseUrl',
      'https://p001.plink.example.com',
    ],
    [
      'http on the loopback interface',
      { CDF_URL: 'http://127.0.0.1:8080' },
      'cdf.baseUrl',
      'http://127.0.0.1:8080',
    ],
    [
      'http on the IPv6 loopback interface',
      { CDF_URL: 'http://[::1]:8080' },
      'cdf.baseUrl',
      'http://[::1]:8080',
    ],
    ['CDF_VERSION=none', { CDF_VERSION: 'none' }, 'cdf.version', undefined],
    ['scopes separated by commas', { IDP_SCOPES: 'a,b, c' }, 'identityProvider.scope', 'a b c'],
    ['scopes separated by spaces', { IDP_SCOPES: 'a b' }, 'identityProvider.scope', 'a b'],
    ['an empty variable as a missing one', { PORT: '', LOG_LEVEL: ' ' }, 'listen.port', 3000],
    [
      'any host with AUTH_MODE=none and AUTH_ALLOW_ANONYMOUS=true',
      { HOST: '0.0.0.0', AUTH_ALLOW_ANONYMOUS: 'true' },
      'listen.host',
      '0.0.0.0',
    ],
    ['localhost with AUTH_MODE=none', { HOST: 'localhost' }, 'listen.host', 'localhost'],
    [
      'a public URL with a path prefix',
      { PUBLIC_URL: 'http://gateway.internal:8080/quality/of%20jobs/' },
      'publicUrl',
      'http://gateway.internal:8080/quality/of%20jobs',
    ],
    [
      'a public URL without a path',
      { PUBLIC_URL: 'https://A.example' },
      'publicUrl',
      'https://a.example',
    ],
    ['DOCS_ENABLED=false', { DOCS_ENABLED: 'false' }, 'docs.enabled', false],
    ['JOB_STATUS_FRESH_MS=0', { JOB_STATUS_FRESH_MS: '0' }, 'jobs.statusFreshMs', 0],
  ]
for (const [name, variables, path, value] of accepted) {
  t.test(`accepts ${name}`, async (t) => {
    const config: unknown = loadConfig({ ...minimal, ...variables })
    t.equal(
      path.split('.').reduce((part, key) => (part as Record<string, unknown>)[key], config),
      value,
    )
  })
}

const rejected: [name: string, variables: Record<string, string | undefined>, issues: RegExp[]][] =
  [
    [
      'a missing project',
      { CDF_PROJECT: undefined },
      [/^CDF_PROJECT is required: the URL name of a CDF project/],
    ],
    [
      'a missing cluster and URL',
      { CDF_CLUSTER: undefined },
      [/^CDF_CLUSTER \(or CDF_URL\) is required/],
    ],
    ['a missing client id', { IDP_CLIENT_ID: undefined }, [/^IDP_CLIENT_ID is required/]],
    [
      'a missing identity provider',
      { IDP_TENANT_ID: undefined },
      [/^IDP_TOKEN_URL \(or IDP_TENANT_ID or IDP_DISCOVERY_URL\) is required/],
    ],
    [
      'a missing secret',
      { IDP_CLIENT_SECRET: undefined },
      [/^IDP_CLIENT_SECRET \(or IDP_CLIENT_SECRET_FILE\) is required/],
    ],
    [
      'a secret and a secret file',
      { IDP_CLIENT_SECRET_FILE: '/dev/null' },
      [
        /^IDP_CLIENT_SECRET_FILE names a file that is not a regular file$/,
        /^IDP_CLIENT_SECRET and IDP_CLIENT_SECRET_FILE must not both/,
      ],
    ],
    [
      'a missing key file',
      { IDP_CLIENT_AUTH_METHOD: 'private_key_jwt' },
      [/^IDP_CLIENT_KEY_FILE is required/],
    ],
    [
      'a key file without a key',
      { IDP_CLIENT_AUTH_METHOD: 'private_key_jwt', IDP_CLIENT_KEY_FILE: import.meta.filename },
      [/^IDP_CLIENT_KEY_FILE names a file that has no unencrypted RSA, EC or Ed25519 private key/],
    ],
    [
      'a secret file that does not exist',
      { IDP_CLIENT_SECRET: undefined, IDP_CLIENT_SECRET_FILE: '/nowhere' },
      [/^IDP_CLIENT_SECRET_FILE names a file that cannot be read: ENOENT$/],
    ],
    ['a secret in quotes', { IDP_CLIENT_SECRET: `"${SECRET}"` }, [/^IDP_CLIENT_SECRET must be/]],
    [
      'a secret with the name of its variable',
      { IDP_CLIENT_SECRET: `IDP_CLIENT_SECRET=${SECRET}` },
      [/^IDP_CLIENT_SECRET must be .* without a variable name before it$/],
    ],
    ...[
      'gateway.example',
      'ftp://a.example',
      'https://u:p@a.example',
      'https://a/?b',
      'https://a/ b',
      'https://[a',
    ].map((value): (typeof rejected)[number] => [
      `the public URL ${value}`,
      { PUBLIC_URL: value },
      [/^PUBLIC_URL must be a URL with http: or https:/],
    ]),
    [
      'a CDF URL with a path',
      { CDF_URL: 'https://cdf.example/api/v1' },
      [/^CDF_URL must be a URL with https:.* without path,.* because the service adds the path/],
    ],
    ['a CDF URL with a query', { CDF_URL: 'https://cdf.example?x=y' }, [/^CDF_URL must be a URL/]],
    ['a CDF URL with a fragment', { CDF_URL: 'https://cdf.example/#x' }, [/^CDF_URL must be/]],
    ['a CDF URL with an invalid port', { CDF_URL: 'https://cdf.example:99999' }, [/^CDF_URL/]],
    ...['http://idp', 'idp:8080', 'idp/realms', '*', '*.example', 'idp,,IDP', ','].map(
      (hosts): [string, Record<string, string>, RegExp[]] => [
        `INSECURE_HTTP_HOSTS=${hosts}`,
        { INSECURE_HTTP_HOSTS: hosts },
        [/^INSECURE_HTTP_HOSTS must be host names .* without scheme, port, path and wildcard$/],
      ],
    ),
    [
      'http on hosts that are not in INSECURE_HTTP_HOSTS',
      {
        INSECURE_HTTP_HOSTS: 'idp',
        CDF_URL: 'http://cdf',
        IDP_TOKEN_URL: 'http://idp2/token',
        IDP_DISCOVERY_URL: 'http://sub.idp',
        AUTH_ISSUER: 'http://issuer',
        AUTH_JWKS_URL: 'http://keys/idp',
      },
      [
        /^CDF_URL must be a URL with https:, or with http: and .* a host of INSECURE_HTTP_HOSTS/,
        /^IDP_TOKEN_URL must be/,
        /^IDP_DISCOVERY_URL must be/,
        /^AUTH_JWKS_URL must be/,
      ],
    ],
    [
      'an issuer with http on a host that is not in INSECURE_HTTP_HOSTS',
      { INSECURE_HTTP_HOSTS: 'idp', AUTH_ISSUER: 'http://issuer' },
      [/^AUTH_ISSUER must be .*, unless AUTH_JWKS_URL is set$/],
    ],
    ...[
      'proxy.example:3128',
      'socks5://proxy.example',
      'http://proxy.example/path',
      'http://proxy.example?x',
      'http://proxy.example:99999',
      'http://user:%zz@proxy.example',
      'http://%ff@proxy.example',
      'http://',
    ].map((url): [string, Record<string, string>, RegExp[]] => [
      `the proxy ${url}`,
      { HTTPS_PROXY: url, http_proxy: url },
      [/^HTTPS_PROXY must be the URL of a proxy/, /^http_proxy must be the URL of a proxy/],
    ]),
    [
      'a proxy with a password, which it does not print,',
      { HTTPS_PROXY: `http://user:${SECRET}%@proxy.example` },
      [/^HTTPS_PROXY must be the URL of a proxy with http: or https:/],
    ],
    ['a project with a path', { CDF_PROJECT: '../other' }, [/^CDF_PROJECT must be/]],
    [
      'http on another host',
      { CDF_URL: 'http://cdf.example' },
      [/^CDF_URL must be a URL with https:/],
    ],
    [
      'http on a host name that starts with a loopback address',
      { CDF_URL: 'http://127.0.0.1.example' },
      [/^CDF_URL/],
    ],
    ['a URL with credentials', { CDF_URL: 'https://user:password@cdf.example' }, [/^CDF_URL/]],
    [
      'a URL with a query',
      { CDF_URL: 'https://cdf.example/?x=y', IDP_DISCOVERY_URL: 'https://idp.example?x=y' },
      [/^CDF_URL must be .*without path, query, fragment and credentials/, /^IDP_DISCOVERY_URL/],
    ],
    [
      'a fragment or credentials in a URL with a query',
      {
        IDP_TOKEN_URL: 'https://idp.example/token?x=y#z',
        AUTH_JWKS_URL: 'https://user:password@idp.example/keys?x=y',
      },
      [/^IDP_TOKEN_URL must be .*without fragment and credentials$/, /^AUTH_JWKS_URL must be/],
    ],
    ['another scheme', { IDP_DISCOVERY_URL: 'file:///etc/passwd' }, [/^IDP_DISCOVERY_URL/]],
    [
      'an unknown method of client authentication',
      { IDP_CLIENT_AUTH_METHOD: 'basic' },
      [
        /^IDP_CLIENT_AUTH_METHOD must be one of client_secret_post, client_secret_basic, private_key_jwt$/,
      ],
    ],
    ['a line break in the version', { CDF_VERSION: 'alpha\r\nx: y' }, [/^CDF_VERSION/]],
    ['a port out of range', { PORT: '65536' }, [/^PORT must be an integer from 0 to 65535$/]],
    ['a port that is not a number', { PORT: 'http' }, [/^PORT must be an integer/]],
    ['a fraction', { UPSTREAM_MAX_ATTEMPTS: '1.5' }, [/^UPSTREAM_MAX_ATTEMPTS must be an integer/]],
    ['a cache size of 0', { JOB_CACHE_MAX_ENTRIES: '0' }, [/^JOB_CACHE_MAX_ENTRIES/]],
    ['yes in place of true', { DOCS_ENABLED: 'yes' }, [/^DOCS_ENABLED must be true or false$/]],
    ['an unknown log level', { LOG_LEVEL: 'loud' }, [/^LOG_LEVEL must be one of/]],
    ['AUTH_MODE=none on all interfaces', { HOST: '0.0.0.0' }, [/^AUTH_MODE is none, so everyone/]],
    [
      'AUTH_MODE=jwt without issuer and audience',
      { AUTH_MODE: undefined },
      [/^AUTH_ISSUER is required: a URL with https:/, /^AUTH_AUDIENCE is required/],
    ],
    ['an issuer with http', { AUTH_ISSUER: 'http://idp.example' }, [/^AUTH_ISSUER must be a URL/]],
    [
      'an issuer with http, without a JWKS URL',
      { AUTH_ISSUER: 'http://adfs.example/adfs/services/trust' },
      [/^AUTH_ISSUER must be a URL with https:.*, unless AUTH_JWKS_URL is set$/],
    ],
    [
      'an issuer that is no absolute URI',
      { AUTH_ISSUER: 'idp.example', AUTH_JWKS_URL: 'https://idp.example/keys' },
      [/^AUTH_ISSUER must be a URL with https:.*; with AUTH_JWKS_URL, any absolute URI$/],
    ],
    [
      'an issuer with a line break',
      { AUTH_ISSUER: 'urn:a\nb', AUTH_JWKS_URL: 'https://idp.example/keys' },
      [/^AUTH_ISSUER must be/],
    ],
    [
      'an audience of more than 1024 characters, and two audiences for one',
      { AUTH_AUDIENCE: `api://x,${'y'.repeat(1_025)}`, IDP_AUDIENCE: 'a b' },
      [
        /^IDP_AUDIENCE must be an audience without spaces$/,
        /^AUTH_AUDIENCE must be audiences, sep/,
      ],
    ],
    ['a list without audiences', { AUTH_AUDIENCE: ' , ' }, [/^AUTH_AUDIENCE must be audiences/]],
    [
      'an unknown audience claim',
      { AUTH_AUDIENCE_CLAIM: 'azp' },
      [/^AUTH_AUDIENCE_CLAIM must be one of aud, client_id$/],
    ],
    [
      'a JWKS URL with http',
      { AUTH_JWKS_URL: 'http://idp.example/keys' },
      [/^AUTH_JWKS_URL must be a URL/],
    ],
    [
      'two required scopes',
      { AUTH_REQUIRED_SCOPE: 'a b' },
      [/^AUTH_REQUIRED_SCOPE must be one scope$/],
    ],
    [
      'an origin with a path',
      { CORS_ORIGINS: 'https://app.example/' },
      [/^CORS_ORIGINS must be exact origins/],
    ],
    ['an origin with a wildcard', { CORS_ORIGINS: 'https://*.example.com' }, [/^CORS_ORIGINS/]],
    ['the origin null', { CORS_ORIGINS: 'https://app.example, null' }, [/^CORS_ORIGINS/]],
    ['the origin * in a list', { CORS_ORIGINS: '*,https://app.example' }, [/^CORS_ORIGINS/]],
    [
      'lists of empty items',
      { CORS_ORIGINS: ',', CORS_ALLOW_HEADERS: ',', TRUST_PROXY: ',' },
      [/^CORS_ORIGINS/, /^CORS_ALLOW_HEADERS/, /^TRUST_PROXY/],
    ],
    ['a header with a value', { CORS_ALLOW_HEADERS: 'X-A: 1' }, [/^CORS_ALLOW_HEADERS must be/]],
    ['the wildcard for headers', { CORS_ALLOW_HEADERS: '*' }, [/^CORS_ALLOW_HEADERS must be/]],
    ['the network of all addresses', { TRUST_PROXY: '0.0.0.0/0' }, [/^TRUST_PROXY/]],
    [
      'TRUST_PROXY=true',
      { TRUST_PROXY: 'true' },
      [/^TRUST_PROXY must be false, the number of proxies/],
    ],
    ['an invalid network', { TRUST_PROXY: '10.0.0.0/33' }, [/^TRUST_PROXY/]],
    ['a hexadecimal number', { PORT: '0x10' }, [/^PORT must be an integer/]],
    ['a number with an exponent', { PORT: '1e3' }, [/^PORT must be an integer/]],
    ['a number with a leading zero', { PORT: '03000' }, [/^PORT must be an integer/]],
    [
      'Infinity',
      { UPSTREAM_DEADLINE_MS: 'Infinity' },
      [/^UPSTREAM_DEADLINE_MS must be an integer/],
    ],
    ['-Infinity', { UPSTREAM_MAX_CONCURRENCY: '-Infinity' }, [/^UPSTREAM_MAX_CONCURRENCY/]],
    [
      'a number greater than any float',
      { JOB_CACHE_MAX_ENTRIES: '1e999' },
      [/^JOB_CACHE_MAX_ENTRIES/],
    ],
    ['no keep-alive time', { KEEP_ALIVE_TIMEOUT_MS: '0' }, [/^KEEP_ALIVE_TIMEOUT_MS must be/]],
    ['the same port for two listeners', { PORT: '9464' }, [/^METRICS_PORT must be another port/]],
    ['a negative limit', { RATE_LIMIT_PER_MINUTE: '-1' }, [/^RATE_LIMIT_PER_MINUTE/]],
  ]
for (const [name, variables, expected] of rejected) {
  t.test(`rejects ${name}`, async (t) => {
    const issues = issuesOf({ ...minimal, ...variables })
    t.equal(issues.length, expected.length, issues.join('\n'))
    for (const [index, pattern] of expected.entries()) t.match(issues[index], pattern)
    t.notMatch(issues.join('\n'), SECRET)
  })
}

t.test('reports all issues together', async (t) => {
  const issues = issuesOf({
    PORT: 'x',
    LOG_LEVEL: 'loud',
    CDF_URL: 'http://cdf.example',
    IDP_CLIENT_SECRET: SECRET,
  })
  const names = issues.map((issue) => issue.split(' ')[0])
  t.strictSame(names.sort(), [
    'AUTH_AUDIENCE',
    'AUTH_ISSUER',
    'CDF_PROJECT',
    'CDF_URL',
    'IDP_CLIENT_ID',
    'IDP_TOKEN_URL',
    'LOG_LEVEL',
    'PORT',
  ])
})

t.test('reads the secret from its file without the trailing newline', async (t) => {
  const folder = t.testdir({ secret: `${SECRET}\n` })
  const variables = {
    ...minimal,
    IDP_CLIENT_SECRET: undefined,
    IDP_CLIENT_SECRET_FILE: `${folder}/secret`,
  }
  const { authentication } = loadConfig(variables).identityProvider
  t.equal(
    authentication.method === 'client_secret_post' && (await authentication.readSecret()),
    SECRET,
  )
})

t.test('rejects a key with an unsupported curve', async (t) => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'secp256k1' })
  const folder = t.testdir({ key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() })
  const issues = issuesOf({
    ...minimal,
    IDP_CLIENT_AUTH_METHOD: 'private_key_jwt',
    IDP_CLIENT_KEY_FILE: `${folder}/key`,
  })
  t.match(issues, [/^IDP_CLIENT_KEY_FILE names a file that has no/])
})

const credentialFiles: [name: string, content: string | Buffer, issue: string][] = [
  ['in UTF-16', Buffer.from(`\ufeff${SECRET}`, 'utf16le'), 'is in UTF-16'],
  ['in quotes', `"${SECRET}"\n`, 'has quotes around the secret'],
  ['with the name of a variable', `IDP_CLIENT_SECRET=${SECRET}\n`, 'has a variable name'],
  ['with two lines', `${SECRET}\nsecond\n`, 'has more than one line'],
]
for (const [name, content, issue] of credentialFiles) {
  t.test(`rejects a secret file ${name}, also if its content changes later`, async (t) => {
    const folder = t.testdir({ secret: content, good: SECRET })
    const variables = { ...minimal, IDP_CLIENT_SECRET: undefined }
    const issues = issuesOf({ ...variables, IDP_CLIENT_SECRET_FILE: `${folder}/secret` })
    t.match(issues, [`IDP_CLIENT_SECRET_FILE names a file that ${issue}`])
    t.notMatch(issues.join(), SECRET)

    const path = `${folder}/good`
    const { authentication } = loadConfig({
      ...variables,
      IDP_CLIENT_SECRET_FILE: path,
    }).identityProvider
    await writeFile(path, content)
    if (authentication.method === 'private_key_jwt') return t.fail('the wrong method')
    await t.rejects(authentication.readSecret(), {
      message: new RegExp(`^IDP_CLIENT_SECRET_FILE names a file that ${issue}`),
    })
  })
}

t.test('rejects a key file with the certificate of another key', async (t) => {
  const folder = t.testdir({ key: certificateText('localhost-key') + certificateText('other') })
  const issues = issuesOf({
    ...minimal,
    IDP_CLIENT_AUTH_METHOD: 'private_key_jwt',
    IDP_CLIENT_KEY_FILE: `${folder}/key`,
  })
  t.match(issues, [
    'IDP_CLIENT_KEY_FILE names a file that has a certificate of another private key',
  ])
})

t.test('keeps spaces around a secret', async (t) => {
  const { authentication } = loadConfig({ ...minimal, IDP_CLIENT_SECRET: ' a b ' }).identityProvider
  t.equal(
    authentication.method === 'client_secret_post' && (await authentication.readSecret()),
    ' a b ',
  )
})

t.test('reads the private key from its file', async (t) => {
  const { privateKey } = generateKeyPairSync('ed25519')
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const folder = t.testdir({ key: pem })
  const { authentication } = loadConfig({
    ...minimal,
    IDP_CLIENT_SECRET: undefined,
    IDP_CLIENT_AUTH_METHOD: 'private_key_jwt',
    IDP_CLIENT_KEY_FILE: `${folder}/key`,
  }).identityProvider
  if (authentication.method !== 'private_key_jwt') return t.fail('the wrong method')
  t.match((await authentication.readKey()).key, { type: 'private', algorithm: { name: 'Ed25519' } })
})

t.test('verifies access tokens by default', async (t) => {
  const jwt = {
    ...minimal,
    AUTH_MODE: '',
    AUTH_ISSUER: 'https://idp.example/realms/r/',
    AUTH_AUDIENCE: 'api://x',
    AUTH_REQUIRED_SCOPE: 'jobs:read',
    HOST: '0.0.0.0',
  }
  t.strictSame(loadConfig(jwt).auth, {
    jwt: {
      issuer: 'https://idp.example/realms/r/',
      audiences: ['api://x'],
      audienceClaim: 'aud',
      jwksUrl: undefined,
      timeoutMs: 5000,
      insecureHttpHosts: [],
    },
    requiredScope: 'jobs:read',
  })
})

const issuers: [AUTH_ISSUER: string, AUTH_JWKS_URL: string, issuer: string][] = [
  ['https://idp.example/realm/', '', 'https://idp.example/realm/'],
  ['https://idp.example/realm/.well-known/openid-configuration', '', 'https://idp.example/realm'],
  ['https://idp.example/realm/', 'https://idp.example/keys?appid=x', 'https://idp.example/realm/'],
  ['http://adfs.example/adfs/services/trust', 'https://adfs.example/keys', ''],
  ['urn:example:issuer', 'https://idp.example/keys', ''],
]
for (const [AUTH_ISSUER, AUTH_JWKS_URL, issuer] of issuers) {
  t.test(`accepts ${AUTH_ISSUER} ${AUTH_JWKS_URL && 'with a JWKS URL'}`, async (t) => {
    const { jwt } = loadConfig({
      ...minimal,
      ...{ AUTH_MODE: 'jwt', AUTH_AUDIENCE: 'api://x', AUTH_ISSUER, AUTH_JWKS_URL },
    }).auth
    t.equal(jwt?.issuer, issuer || AUTH_ISSUER)
    t.equal(jwt?.jwksUrl, AUTH_JWKS_URL || undefined)
  })
}

t.test('accepts several audiences, separated by commas or spaces', async (t) => {
  const { jwt } = loadConfig({
    ...minimal,
    AUTH_MODE: 'jwt',
    AUTH_ISSUER: 'https://idp.example',
    AUTH_AUDIENCE: 'api://x, https://y.example z',
    AUTH_AUDIENCE_CLAIM: 'client_id',
  }).auth
  t.strictSame(jwt?.audiences, ['api://x', 'https://y.example', 'z'])
  t.equal(jwt?.audienceClaim, 'client_id')
})

t.test('trusts the given number of proxies or the given networks', async (t) => {
  const { trustProxy } = loadConfig({ ...minimal, TRUST_PROXY: '2' }).server
  if (typeof trustProxy !== 'function') return t.fail('not a function')
  t.strictSame(
    [0, 1, 2].map((hop) => trustProxy('10.0.0.1', hop)),
    [true, true, false],
  )
  const networks = loadConfig({ ...minimal, TRUST_PROXY: '10.0.0.0/8, ::1' }).server
  t.strictSame(networks.trustProxy, ['10.0.0.0/8', '::1'])
})

t.test('parses lists', async (t) => {
  const origins = 'https://app.example,https://other.example:8443'
  const allowed = { CORS_ORIGINS: origins, CORS_ALLOW_HEADERS: 'X-Client-Version, x-tenant' }
  t.strictSame(loadConfig({ ...minimal, ...allowed }).cors, {
    origins: ['https://app.example', 'https://other.example:8443'],
    allowHeaders: ['X-Client-Version', 'x-tenant'],
  })
  const docs = {
    AUTH_ISSUER: 'https://idp.example',
    DOCS_OAUTH_CLIENT_ID: 'docs',
    DOCS_OAUTH_SCOPES: 'a b',
  }
  t.strictSame(loadConfig({ ...minimal, ...docs }).docs.oauth, {
    issuer: 'https://idp.example',
    clientId: 'docs',
    scopes: ['a', 'b'],
    timeoutMs: 5000,
    insecureHttpHosts: [],
  })
})

t.test('accepts http on the hosts of INSECURE_HTTP_HOSTS', async (t) => {
  const config = loadConfig({
    ...minimal,
    AUTH_MODE: 'jwt',
    AUTH_AUDIENCE: 'a',
    INSECURE_HTTP_HOSTS: 'idp.svc, cdf',
    CDF_URL: 'http://cdf:8080',
    IDP_TOKEN_URL: 'http://idp.svc/token',
    IDP_DISCOVERY_URL: 'http://idp.svc/realm',
    AUTH_ISSUER: 'http://idp.svc/realm',
    AUTH_JWKS_URL: 'http://idp.svc/keys',
    DOCS_OAUTH_CLIENT_ID: 'docs',
  })
  const hosts = ['idp.svc', 'cdf']
  t.strictSame(config.outbound.insecureHttpHosts, hosts)
  t.strictSame(config.identityProvider.insecureHttpHosts, hosts)
  t.strictSame(config.auth.jwt?.insecureHttpHosts, hosts)
  t.strictSame(config.docs.oauth?.insecureHttpHosts, hosts)
})

t.test('accepts any issuer with http from which it fetches nothing', async (t) => {
  const jwks = { AUTH_ISSUER: 'http://adfs.example', AUTH_JWKS_URL: 'https://adfs.example/keys' }
  t.doesNotThrow(() => loadConfig({ ...minimal, ...jwks }))
})

t.test('reads the proxies; a variable in lower case takes precedence', async (t) => {
  const upper = {
    HTTPS_PROXY: 'http://user:p%40ss@proxy.example:3128',
    HTTP_PROXY: 'https://proxy.example/',
    NO_PROXY: 'localhost, .corp.example',
  }
  const proxiesOf = (variables: Record<string, string>) =>
    loadConfig({ ...minimal, ...variables }).outbound.proxies()
  t.strictSame(proxiesOf(upper), {
    https: upper.HTTPS_PROXY,
    http: upper.HTTP_PROXY,
    exceptions: upper.NO_PROXY,
  })
  t.strictSame(
    proxiesOf({ ...upper, https_proxy: 'http://other', http_proxy: '', no_proxy: '*' }),
    {
      https: 'http://other',
      http: upper.HTTP_PROXY,
      exceptions: '*',
    },
  )
})

t.test('is frozen, and does not reveal secrets when inspected', async (t) => {
  const config = loadConfig({ ...minimal, HTTP_PROXY: `http://user:${SECRET}@proxy.example` })
  t.throws(() => Object.assign(config.listen, { port: 1 }))
  t.notMatch(inspect(config, { depth: 10, showHidden: true }), SECRET)
})

t.test('ignores other environment variables', async (t) => {
  t.doesNotThrow(() => loadConfig({ ...minimal, PATH: '/bin', __proto__: 'x' }))
  t.equal(Object.hasOwn(VARIABLES, 'PATH'), false)
})
