import { generateKeyPairSync } from 'node:crypto'
import { inspect } from 'node:util'
import t from 'tap'
import { loadConfig } from '../src/config.ts'
import { VARIABLES } from '../src/environment.ts'
import { ConfigError } from '../src/load-environment.ts'

const SECRET = 'very-secret'
const minimal = {
  CDF_PROJECT: 'my-project',
  CDF_CLUSTER: 'westeurope-1',
  IDP_CLIENT_ID: 'client',
  IDP_CLIENT_SECRET: SECRET,
  IDP_TENANT_ID: '48d5043c-cf70-4c49-881c-c638f5796997',
  AUTH_MODE: 'none',
}

/** The mistakes of a configuration, none of which may show a value. */
function mistakesOf(variables: Record<string, string | undefined>): readonly string[] {
  try {
    loadConfig(variables)
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes
    throw error
  }
  return []
}

t.test('has a default for everything that may be left out', async (t) => {
  const { identityProvider, ...config } = loadConfig(minimal)
  t.strictSame(config, {
    cdf: {
      baseUrl: 'https://westeurope-1.cognitedata.com',
      project: 'my-project',
      version: 'alpha',
    },
    door: { jwt: undefined, requiredScope: undefined },
    streams: { maxStreamsPerCaller: 256 },
    rateLimit: { perMinute: 600 },
    cors: { origins: [] },
    listen: { host: '127.0.0.1', port: 3000 },
    metrics: { listen: { host: '127.0.0.1', port: 9464 } },
    server: { logLevel: 'info', trustProxy: false },
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
    shutdown: { graceMs: 10_000, delayMs: 0 },
  })
  t.equal(identityProvider.timeoutMs, 5000)
})

t.test('derives token URL and scope from an Entra ID tenant', async (t) => {
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

t.test('asks for no scope of its own accord with a token URL', async (t) => {
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
  t.test(`takes an issuer with "${suffix}" behind it`, async (t) => {
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
      'a whole base URL',
      { CDF_URL: 'https://p001.plink.example.com/' },
      'cdf.baseUrl',
      'https://p001.plink.example.com',
    ],
    [
      'http towards the loopback',
      { CDF_URL: 'http://127.0.0.1:8080' },
      'cdf.baseUrl',
      'http://127.0.0.1:8080',
    ],
    [
      'http towards the loopback of IPv6',
      { CDF_URL: 'http://[::1]:8080' },
      'cdf.baseUrl',
      'http://[::1]:8080',
    ],
    ['no cdf-version', { CDF_VERSION: 'none' }, 'cdf.version', undefined],
    ['scopes with commas', { IDP_SCOPES: 'a,b, c' }, 'identityProvider.scope', 'a b c'],
    ['scopes with spaces', { IDP_SCOPES: 'a b' }, 'identityProvider.scope', 'a b'],
    ['an empty variable as absent', { PORT: '', LOG_LEVEL: ' ' }, 'listen.port', 3000],
    [
      'any host without callers checked, where that is said to be meant',
      { HOST: '0.0.0.0', AUTH_ALLOW_ANONYMOUS: 'true' },
      'listen.host',
      '0.0.0.0',
    ],
    ['localhost without callers checked', { HOST: 'localhost' }, 'listen.host', 'localhost'],
    ['no docs', { DOCS_ENABLED: 'false' }, 'docs.enabled', false],
    ['no freshness', { JOB_STATUS_FRESH_MS: '0' }, 'jobs.statusFreshMs', 0],
  ]
for (const [name, variables, path, value] of accepted) {
  t.test(`takes ${name}`, async (t) => {
    const config: unknown = loadConfig({ ...minimal, ...variables })
    t.equal(
      path.split('.').reduce((part, key) => (part as Record<string, unknown>)[key], config),
      value,
    )
  })
}

const refused: [name: string, variables: Record<string, string | undefined>, mistakes: RegExp[]][] =
  [
    [
      'no project',
      { CDF_PROJECT: undefined },
      [/^CDF_PROJECT is required: the URL name of a CDF project/],
    ],
    [
      'neither cluster nor URL',
      { CDF_CLUSTER: undefined },
      [/^CDF_CLUSTER \(or CDF_URL\) is required/],
    ],
    ['no client', { IDP_CLIENT_ID: undefined }, [/^IDP_CLIENT_ID is required/]],
    [
      'no identity provider',
      { IDP_TENANT_ID: undefined },
      [/^IDP_TOKEN_URL \(or IDP_TENANT_ID or IDP_DISCOVERY_URL\) is required/],
    ],
    [
      'no secret',
      { IDP_CLIENT_SECRET: undefined },
      [/^IDP_CLIENT_SECRET \(or IDP_CLIENT_SECRET_FILE\) is required/],
    ],
    [
      'two secrets',
      { IDP_CLIENT_SECRET_FILE: '/dev/null' },
      [
        /^IDP_CLIENT_SECRET_FILE must be the path/,
        /^IDP_CLIENT_SECRET and IDP_CLIENT_SECRET_FILE must not both/,
      ],
    ],
    ['no key', { IDP_CLIENT_AUTH_METHOD: 'private_key_jwt' }, [/^IDP_CLIENT_KEY_FILE is required/]],
    [
      'a key file that is none',
      { IDP_CLIENT_AUTH_METHOD: 'private_key_jwt', IDP_CLIENT_KEY_FILE: '/dev/null' },
      [/^IDP_CLIENT_KEY_FILE must be the path of a readable PEM file/],
    ],
    [
      'a secret file that is not there',
      { IDP_CLIENT_SECRET: undefined, IDP_CLIENT_SECRET_FILE: '/nowhere' },
      [/^IDP_CLIENT_SECRET_FILE must be the path of a readable file/],
    ],
    ['a project with a path in it', { CDF_PROJECT: '../other' }, [/^CDF_PROJECT must be/]],
    [
      'http towards somewhere else',
      { CDF_URL: 'http://cdf.example' },
      [/^CDF_URL must be a URL with https:/],
    ],
    [
      'http towards somewhere that looks like the loopback',
      { CDF_URL: 'http://127.0.0.1.example' },
      [/^CDF_URL/],
    ],
    ['a URL with credentials', { CDF_URL: 'https://user:password@cdf.example' }, [/^CDF_URL/]],
    ['a URL with a query', { IDP_TOKEN_URL: 'https://idp.example/token?x=y' }, [/^IDP_TOKEN_URL/]],
    ['another scheme', { IDP_DISCOVERY_URL: 'file:///etc/passwd' }, [/^IDP_DISCOVERY_URL/]],
    [
      'an unknown client authentication',
      { IDP_CLIENT_AUTH_METHOD: 'basic' },
      [
        /^IDP_CLIENT_AUTH_METHOD must be one of client_secret_post, client_secret_basic, private_key_jwt$/,
      ],
    ],
    ['a header in the version', { CDF_VERSION: 'alpha\r\nx: y' }, [/^CDF_VERSION/]],
    ['a port out of range', { PORT: '65536' }, [/^PORT must be an integer from 0 to 65535$/]],
    ['a port that is none', { PORT: 'http' }, [/^PORT must be an integer/]],
    [
      'a number with a fraction',
      { UPSTREAM_MAX_ATTEMPTS: '1.5' },
      [/^UPSTREAM_MAX_ATTEMPTS must be an integer/],
    ],
    ['a cache without room', { JOB_CACHE_MAX_ENTRIES: '0' }, [/^JOB_CACHE_MAX_ENTRIES/]],
    ['a word for true', { DOCS_ENABLED: 'yes' }, [/^DOCS_ENABLED must be true or false$/]],
    ['an unknown log level', { LOG_LEVEL: 'loud' }, [/^LOG_LEVEL must be one of/]],
    ['everybody on every interface', { HOST: '0.0.0.0' }, [/^AUTH_MODE none lets in everybody/]],
    [
      'callers to check, but nobody to check them by',
      { AUTH_MODE: undefined },
      [/^AUTH_ISSUER is required: a URL with https:/, /^AUTH_AUDIENCE is required/],
    ],
    [
      'an issuer with plain http',
      { AUTH_ISSUER: 'http://idp.example' },
      [/^AUTH_ISSUER must be a URL/],
    ],
    [
      'keys over plain http',
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
    ['an origin that is none', { CORS_ORIGINS: 'https://app.example, null' }, [/^CORS_ORIGINS/]],
    ['everybody among others', { CORS_ORIGINS: '*,https://app.example' }, [/^CORS_ORIGINS/]],
    [
      'a list of nothing',
      { CORS_ORIGINS: ',', TRUST_PROXY: ',' },
      [/^CORS_ORIGINS/, /^TRUST_PROXY/],
    ],
    ['the network of everybody', { TRUST_PROXY: '0.0.0.0/0' }, [/^TRUST_PROXY/]],
    [
      'to trust everybody',
      { TRUST_PROXY: 'true' },
      [/^TRUST_PROXY must be false, the number of proxies/],
    ],
    ['a network that is none', { TRUST_PROXY: '10.0.0.0/33' }, [/^TRUST_PROXY/]],
    ['hexadecimal', { PORT: '0x10' }, [/^PORT must be an integer/]],
    ['an exponent', { PORT: '1e3' }, [/^PORT must be an integer/]],
    ['a leading zero', { PORT: '03000' }, [/^PORT must be an integer/]],
    ['no end', { UPSTREAM_DEADLINE_MS: 'Infinity' }, [/^UPSTREAM_DEADLINE_MS must be an integer/]],
    ['no beginning', { UPSTREAM_MAX_CONCURRENCY: '-Infinity' }, [/^UPSTREAM_MAX_CONCURRENCY/]],
    ['more than there is', { JOB_CACHE_MAX_ENTRIES: '1e999' }, [/^JOB_CACHE_MAX_ENTRIES/]],
    ['two listeners on one port', { PORT: '9464' }, [/^METRICS_PORT must be another port/]],
    ['a negative limit', { RATE_LIMIT_PER_MINUTE: '-1' }, [/^RATE_LIMIT_PER_MINUTE/]],
  ]
for (const [name, variables, expected] of refused) {
  t.test(`refuses ${name}`, async (t) => {
    const mistakes = mistakesOf({ ...minimal, ...variables })
    t.equal(mistakes.length, expected.length, mistakes.join('\n'))
    for (const [index, pattern] of expected.entries()) t.match(mistakes[index], pattern)
    t.notMatch(mistakes.join('\n'), SECRET)
  })
}

t.test('names every mistake at once', async (t) => {
  const mistakes = mistakesOf({
    PORT: 'x',
    LOG_LEVEL: 'loud',
    CDF_URL: 'http://cdf.example',
    IDP_CLIENT_SECRET: SECRET,
  })
  const names = mistakes.map((mistake) => mistake.split(' ')[0])
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

t.test('reads a secret from its file each time, without the newline at its end', async (t) => {
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

t.test('takes no key that cannot sign', async (t) => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'secp256k1' })
  const folder = t.testdir({ key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() })
  const mistakes = mistakesOf({
    ...minimal,
    IDP_CLIENT_AUTH_METHOD: 'private_key_jwt',
    IDP_CLIENT_KEY_FILE: `${folder}/key`,
  })
  t.match(mistakes, [/^IDP_CLIENT_KEY_FILE must be/])
})

t.test('leaves the spaces around a secret alone', async (t) => {
  const { authentication } = loadConfig({ ...minimal, IDP_CLIENT_SECRET: ' a b ' }).identityProvider
  t.equal(
    authentication.method === 'client_secret_post' && (await authentication.readSecret()),
    ' a b ',
  )
})

t.test('reads a private key from its file', async (t) => {
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

t.test('checks callers unless it is told not to', async (t) => {
  const jwt = {
    ...minimal,
    AUTH_MODE: '',
    AUTH_ISSUER: 'https://idp.example/realms/r/',
    AUTH_AUDIENCE: 'api://x',
    AUTH_REQUIRED_SCOPE: 'jobs:read',
    HOST: '0.0.0.0',
  }
  t.strictSame(loadConfig(jwt).door, {
    jwt: {
      issuer: 'https://idp.example/realms/r/',
      audience: 'api://x',
      jwksUrl: undefined,
      timeoutMs: 5000,
    },
    requiredScope: 'jobs:read',
  })
})

t.test('trusts as many proxies, or those, that it is told', async (t) => {
  const { trustProxy } = loadConfig({ ...minimal, TRUST_PROXY: '2' }).server
  if (typeof trustProxy !== 'function') return t.fail('no function')
  t.strictSame(
    [0, 1, 2].map((hop) => trustProxy('10.0.0.1', hop)),
    [true, true, false],
  )
  const networks = loadConfig({ ...minimal, TRUST_PROXY: '10.0.0.0/8, ::1' }).server
  t.strictSame(networks.trustProxy, ['10.0.0.0/8', '::1'])
})

t.test('reads lists', async (t) => {
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

t.test('is frozen and shows no secret', async (t) => {
  const config = loadConfig(minimal)
  t.throws(() => Object.assign(config.listen, { port: 1 }))
  t.notMatch(inspect(config, { depth: 10, showHidden: true }), SECRET)
})

t.test('does not look at what it does not know', async (t) => {
  t.doesNotThrow(() => loadConfig({ ...minimal, PATH: '/bin', __proto__: 'x' }))
  t.equal(Object.hasOwn(VARIABLES, 'PATH'), false)
})
