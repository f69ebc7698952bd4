import { generateKeyPairSync } from 'node:crypto'
import { inspect } from 'node:util'
import t from 'tap'
import { ConfigError, EnvironmentSchema, loadConfig } from '../src/config.ts'

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
    auth: { mode: 'none' },
    listen: { host: '127.0.0.1', port: 3000 },
    logLevel: 'info',
    docs: { enabled: true },
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
        /^IDP_CLIENT_SECRET and IDP_CLIENT_SECRET_FILE must not both/,
        /^IDP_CLIENT_SECRET_FILE must be the path/,
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
      'checked callers, which cannot be done yet',
      { AUTH_MODE: undefined },
      [/^AUTH_MODE must be none for now/],
    ],
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
    'AUTH_MODE',
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

t.test('is frozen and shows no secret', async (t) => {
  const config = loadConfig(minimal)
  t.throws(() => Object.assign(config.listen, { port: 1 }))
  t.notMatch(inspect(config, { depth: 10, showHidden: true }), SECRET)
})

t.test('does not look at what it does not know', async (t) => {
  t.doesNotThrow(() => loadConfig({ ...minimal, PATH: '/bin', __proto__: 'x' }))
  t.equal(Object.keys(EnvironmentSchema.properties).includes('PATH'), false)
})
