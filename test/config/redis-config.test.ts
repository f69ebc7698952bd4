import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import t from 'tap'
import { loadConfig } from '../../src/config/config.ts'
import { ConfigError } from '../../src/config/load-environment.ts'

const minimal = {
  CDF_PROJECT: 'my-project',
  CDF_CLUSTER: 'westeurope-1',
  IDP_CLIENT_ID: 'client',
  IDP_CLIENT_SECRET: 'secret',
  IDP_TENANT_ID: '48d5043c-cf70-4c49-881c-c638f5796997',
  AUTH_MODE: 'none',
}

const folder = await mkdtemp(join(tmpdir(), 'redis-config-'))
t.teardown(() => rm(folder, { recursive: true }))
const passwordFile = join(folder, 'password')
await writeFile(passwordFile, 'first\n')

/** The configuration of Redis. */
const load = (variables: Record<string, string>) => loadConfig({ ...minimal, ...variables }).redis

t.test('has defaults for everything but the URL', async (t) => {
  t.match(load({ REDIS_URL: 'rediss://me:x@redis/3' }), {
    keyPrefix: 'cdf-job-quality:',
    timeoutMs: 50,
    server: {
      mode: 'standalone',
      nodes: [{ host: 'redis', port: 6379 }],
      sentinelName: undefined,
      tls: true,
      username: 'me',
      database: 3,
    },
  })
  t.equal(load({ REDIS_TIMEOUT_MS: '10' }), undefined, 'without a URL, there is no Redis')
})

t.test('knows sentinels and clusters', async (t) => {
  t.match(
    load({ REDIS_URL: 'redis://a,b', REDIS_MODE: 'sentinel', REDIS_SENTINEL_NAME: 'primary' }),
    { server: { mode: 'sentinel', sentinelName: 'primary', nodes: { length: 2 } } },
  )
  t.match(load({ REDIS_URL: 'redis://a,b,c', REDIS_MODE: 'cluster' }), {
    server: { mode: 'cluster', nodes: { length: 3 } },
  })
})

t.test(
  'reads the password file each time, and keeps no password in the configuration',
  async (t) => {
    const redis = load({ REDIS_URL: 'redis://me@redis', REDIS_PASSWORD_FILE: passwordFile })
    t.equal(await redis?.server.readPassword(), 'first')
    await writeFile(passwordFile, 'second')
    t.equal(await redis?.server.readPassword(), 'second')
    const inUrl = load({ REDIS_URL: 'redis://:hidden@redis' })
    t.equal(await inUrl?.server.readPassword(), 'hidden')
    t.notMatch(inspect(inUrl, { depth: 10, showHidden: true }), 'hidden')
  },
)

for (const [name, variables, expected] of [
  ['another scheme', { REDIS_URL: 'http://:secret@redis' }, /^REDIS_URL must be redis:\/\//],
  [
    'several nodes without a mode',
    { REDIS_URL: 'redis://a,b' },
    /^REDIS_URL has several nodes, so REDIS_MODE must be sentinel or cluster$/,
  ],
  [
    'a database of a cluster',
    { REDIS_URL: 'redis://a/1', REDIS_MODE: 'cluster' },
    /^REDIS_URL must not have a database/,
  ],
  [
    'an unknown mode',
    { REDIS_URL: 'redis://a', REDIS_MODE: 'replica' },
    /^REDIS_MODE must be one of standalone, sentinel, cluster$/,
  ],
  [
    'sentinels without the name of the primary',
    { REDIS_URL: 'redis://a', REDIS_MODE: 'sentinel' },
    /^REDIS_SENTINEL_NAME is required/,
  ],
  ['a name with spaces', { REDIS_SENTINEL_NAME: 'a b' }, /^REDIS_SENTINEL_NAME must be/],
  [
    'two passwords',
    { REDIS_URL: 'redis://:secret@a', REDIS_PASSWORD_FILE: passwordFile },
    /^REDIS_PASSWORD_FILE and a password in REDIS_URL must not both be set$/,
  ],
  [
    'a password file that does not exist',
    { REDIS_PASSWORD_FILE: '/nowhere' },
    /^REDIS_PASSWORD_FILE names a file that cannot be read: ENOENT$/,
  ],
  ['a prefix with braces', { REDIS_KEY_PREFIX: '{a}' }, /^REDIS_KEY_PREFIX must be/],
  ['no time', { REDIS_TIMEOUT_MS: '0' }, /^REDIS_TIMEOUT_MS must be an integer from 1 to 10000$/],
] as const)
  t.test(`rejects ${name}`, async (t) => {
    try {
      load(variables)
      t.fail('accepted')
    } catch (error) {
      t.ok(error instanceof ConfigError)
      const { issues } = error as ConfigError
      t.match(issues, [expected])
      t.equal(issues.length, 1)
      t.notMatch(issues.join(), 'secret')
    }
  })
