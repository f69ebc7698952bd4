import { generateKeyPairSync } from 'node:crypto'
import { inspect } from 'node:util'
import t from 'tap'
import { loadConfig } from '../../src/config/config.ts'
import { VARIABLES } from '../../src/config/environment.ts'
import { ConfigError } from '../../src/config/load-environment.ts'

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
  const { identityProvider, ...config } = loadConfig(minimal)
  t.strictSame(config, {
    cdf: {
      baseUrl: 'https://westeurope-1.cognitedata.com',
      project: 'my-project',
      version: 'alpha',
    },
    auth: { jwt: undefined, requiredScope: undefined },
    watches: { maxStreams: 256, maxWatchedJobs: 1_000 },
    rateLimit: { perMinute: 600 },
    cors: { origins: [] },
    publicUrl: undefined,
    listen: { host: '127.0.0.1', port: 3000 },
    metrics: { listen: { host: '127.0.0.1', port: 9464 } },
    server: { logLevel: 'info', trustProxy: false, loopbackHostOnly: true },
    docs: { enabled: true, oauth: undefined },
    jobs: {
      cacheMaxEntries: 10_000,
      cacheTtlMs: 86_400_000,
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
    shutdown: { graceMs: 10_000, delayMs: 0 },
  })
  t.equal(identityProvider.timeoutMs, 5000)
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
        /^IDP_CLIENT_SECRET_FILE must be the path/,
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
      { IDP_CLIENT_AUTH_METHOD: 'private_key_jwt', IDP_CLIENT_KEY_FILE: '/dev/null' },
      [/^IDP_CLIENT_KEY_FILE must be the path of a readable PEM file/],
    ],
    [
      'a secret file that does not exist',
      { IDP_CLIENT_SECRET: undefined, IDP_CLIENT_SECRET_FILE: '/nowhere' },
      [/^IDP_CLIENT_SECRET_FILE must be the path of a readable file/],
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
    ['a URL with a query', { IDP_TOKEN_URL: 'https://idp.example/token?x=y' }, [/^IDP_TOKEN_URL/]],
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
      { CORS_ORIGINS: ',', TRUST_PROXY: ',' },
      [/^CORS_ORIGINS/, /^TRUST_PROXY/],
    ],
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

t.test('reports all issues at once', async (t) => {
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
  t.match(issues, [/^IDP_CLIENT_KEY_FILE must be/])
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
  t.equal(authentication.method === 'private_key_jwt' && (await authentication.readKey()), pem)
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
      audience: 'api://x',
      jwksUrl: undefined,
      timeoutMs: 5000,
    },
    requiredScope: 'jobs:read',
  })
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
  t.strictSame(loadConfig({ ...minimal, CORS_ORIGINS: origins }).cors, {
    origins: ['https://app.example', 'https://other.example:8443'],
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
  })
})

t.test('is frozen, and does not reveal the secret when inspected', async (t) => {
  const config = loadConfig(minimal)
  t.throws(() => Object.assign(config.listen, { port: 1 }))
  t.notMatch(inspect(config, { depth: 10, showHidden: true }), SECRET)
})

t.test('ignores other environment variables', async (t) => {
  t.doesNotThrow(() => loadConfig({ ...minimal, PATH: '/bin', __proto__: 'x' }))
  t.equal(Object.hasOwn(VARIABLES, 'PATH'), false)
})
