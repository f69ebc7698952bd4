import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join, resolve } from 'node:path'
import type { Test } from 'tap'
import t from 'tap'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import { type Simulator, startSimulator } from '../../simulator/upstream/start-simulator.ts'
import { parseJobId } from '../../src/cdf/job-id.ts'
import { runChecks } from '../../src/check/run-checks.ts'
import { loadConfig } from '../../src/config/config.ts'
import { certificateText, fixtureFault, JOB_ID } from '../support/fixtures.ts'
import { freePort, startServer } from '../support/local-server.ts'
import { startProxy } from '../support/proxy-server.ts'
import { skipWithoutRedis, startRedis } from '../support/redis-server.ts'
import { startProcess } from '../support/start-process.ts'
import { until } from '../support/wait.ts'

const SCRIPT = resolve(import.meta.dirname, '../../src/check.ts')

async function startUpstream(t: Test): Promise<Simulator> {
  const simulator = await startSimulator()
  t.teardown(() => simulator.close())
  return simulator
}

/** Runs the check. Asserts that its report holds no secret and no token. */
async function check(
  t: Test,
  simulator: Simulator,
  environment: Record<string, string> = {},
  job?: string,
) {
  const config = loadConfig({ ...simulator.environment, ...environment })
  const lines: string[] = []
  const ok = await runChecks(config, job ? parseJobId(job) : undefined, (line) =>
    lines.push(`${line}\n`),
  )
  const report = lines.join('')
  withoutSecrets(t, simulator, report)
  return { ok, report: withoutPort(simulator, report) }
}

/** Runs the script of the check in a process. Asserts that its output holds no secret and no token. */
async function checkProcess(
  t: Test,
  simulator: Simulator,
  environment: Record<string, string> = {},
  args: string[] = [],
) {
  const { output, ended } = startProcess(t, [SCRIPT, ...args], {
    ...simulator.environment,
    ...environment,
  })
  const code = await ended
  withoutSecrets(t, simulator, output.stdout + output.stderr)
  return { code, report: withoutPort(simulator, output.stdout), stderr: output.stderr }
}

function withoutSecrets(t: Test, simulator: Simulator, text: string): void {
  t.notMatch(text, simulator.identityProvider.clientSecret, 'without the secret')
  t.notMatch(text, /eyJ|very-secret| {4}at /, 'without a token and a stack')
}

const withoutPort = (simulator: Simulator, report: string) =>
  report.replaceAll(new URL(simulator.url).host, 'HOST')

t.test('reports that token, JWKS and CDF are right', async (t) => {
  const simulator = await startUpstream(t)
  const { code, report } = await checkProcess(t, simulator)
  t.equal(code, 0)
  t.match(
    report.split('\n'),
    [
      'ok      configuration: project demo-project at http://HOST, token from http://HOST/idp/token',
      'ok      access token for CDF: HOST has issued a token for 3600 s',
      "ok      JWKS of callers' issuer: keys for signatures from HOST: 1",
      'ok      Redis: not used without REDIS_URL',
      /^ok {6}CDF: HOST answered with status 404, x-request-id [\w-]{36}, as expected/,
    ],
    report,
  )
  t.equal(simulator.cdf.requests.length, 1)
  t.equal(simulator.identityProvider.tokenRequests, 1)
})

t.test('prints the normalized form of a job', async (t) => {
  const simulator = await startUpstream(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
  const { ok, report } = await check(t, simulator, { AUTH_MODE: 'none' }, JOB_ID.toUpperCase())
  t.ok(ok)
  t.match(report, "JWKS of callers' issuer: not needed with AUTH_MODE=none")
  t.match(report, `CDF: HOST has sent job ${JOB_ID}`)
  t.match(JSON.parse(report.slice(report.indexOf('{'))), {
    jobId: JOB_ID,
    status: 'Completed',
    scores: { qualityPercent: 87.5 },
  })
})

t.test('names the fields of a job that are not as in the reference', async (t) => {
  const simulator = await startUpstream(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Completed', { ...SCORES, confidencePercent: 101 }))
  const { ok, report } = await check(t, simulator, {}, JOB_ID)
  t.ok(ok)
  t.match(report, "Not as in CDF's reference: confidencePercent")
})

/** The lines of the report from the first failure on, without Redis, which these tests do not use. */
const failures = (report: string) =>
  report
    .slice(report.indexOf('FAILED'))
    .replace('ok      Redis: not used without REDIS_URL\n', '')
    .trimEnd()
    .split('\n')

t.test('says what to check after a wrong secret, and does not ask CDF', async (t) => {
  const simulator = await startUpstream(t)
  const { ok, report } = await check(t, simulator, { IDP_CLIENT_SECRET: 'very-secret' })
  t.notOk(ok)
  t.strictSame(failures(report), [
    'FAILED  access token for CDF: identity-provider-rejected, HOST answered the token request with status 401, invalid_client',
    '        Check IDP_CLIENT_ID, IDP_CLIENT_AUTH_METHOD, and the secret or key. A secret of Entra ID expires.',
    "ok      JWKS of callers' issuer: keys for signatures from HOST: 1",
    'FAILED  CDF: not tried without an access token',
  ])
  t.equal(simulator.cdf.requests.length, 0)
})

t.test('explains the number of Entra ID', async (t) => {
  const simulator = await startUpstream(t)
  const description = 'AADSTS7000222: The provided client secret keys are expired. very-secret'
  simulator.identityProvider.faults.next({
    status: 401,
    body: JSON.stringify({ error: 'invalid_client', error_description: description }),
  })
  const { ok, report } = await check(t, simulator)
  t.notOk(ok)
  t.match(report, 'status 401, invalid_client, AADSTS7000222\n')
  t.match(report, 'The secret has expired. Create a new one in Entra ID.')
})

t.test('says what to check if the identity provider cannot be reached', async (t) => {
  const simulator = await startUpstream(t)
  const port = await freePort()
  const IDP_TOKEN_URL = `http://127.0.0.1:${port}/token`
  const { ok, report } = await check(t, simulator, { IDP_TOKEN_URL })
  t.notOk(ok)
  t.match(failures(report), [
    `FAILED  access token for CDF: identity-provider-unavailable, connection to 127.0.0.1:${port} failed: ECONNREFUSED`,
    /Nothing answers there\. Check host and port/,
  ])
})

t.test('says what to check if the certificate of CDF is not trusted', async (t) => {
  const simulator = await startUpstream(t)
  const server = createServer({
    key: certificateText('localhost-key'),
    cert: certificateText('localhost'),
  })
  t.teardown(() => server.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const { ok, report } = await check(t, simulator, { CDF_URL: `https://127.0.0.1:${port}` })
  t.notOk(ok)
  t.match(failures(report), [
    `FAILED  CDF: upstream-error, no response of 127.0.0.1:${port}: Error DEPTH_ZERO_SELF_SIGNED_CERT`,
    /Set NODE_EXTRA_CA_CERTS/,
  ])
})

t.test('says what to check if the outbound proxy refuses or cannot be reached', async (t) => {
  const simulator = await startUpstream(t)
  const proxy = await startProxy(t)
  proxy.behavior = 407
  for (const HTTPS_PROXY of [proxy.url, `http://127.0.0.1:${await freePort()}`]) {
    const CDF_URL = 'https://cdf.example'
    const AUTH_JWKS_URL = 'https://idp.example/keys'
    const { report } = await check(t, simulator, { HTTPS_PROXY, CDF_URL, AUTH_JWKS_URL })
    t.match(failures(report), [
      /^FAILED {2}JWKS of callers' issuer: connection to idp\.example:443 failed: proxy /,
      /The outbound proxy does not answer, or refuses\. Check HTTPS_PROXY/,
      /^FAILED {2}CDF: upstream-error, no response of cdf\.example:443: proxy /,
      /The outbound proxy does not answer, or refuses\. Check HTTPS_PROXY/,
    ])
  }
})

t.test('does not print the query of a URL, which can hold a key', async (t) => {
  const simulator = await startUpstream(t)
  const { IDP_TOKEN_URL } = simulator.environment
  const { report } = await check(t, simulator, {
    IDP_TOKEN_URL: `${IDP_TOKEN_URL}?code=very-secret`,
    AUTH_JWKS_URL: `${simulator.issuer}/none?code=very-secret`,
  })
  t.match(report, 'token from http://HOST/idp/token\n')
})

t.test('names the missing capability if CDF denies access', async (t) => {
  const simulator = await startUpstream(t)
  simulator.cdf.faults.standing = fixtureFault('error-403-forbidden-field.json')
  const { ok, report } = await check(t, simulator)
  t.notOk(ok)
  t.match(failures(report), [
    /^FAILED {2}CDF: upstream-forbidden, HOST answered with status 403/,
    /entitymatchingAcl:READ/,
  ])
})

t.test('does not take a 403 for a random job id as a proof of access', async (t) => {
  const simulator = await startUpstream(t)
  simulator.cdf.faults.standing = fixtureFault('error-403.json')
  const { ok, report } = await check(t, simulator)
  t.notOk(ok)
  t.match(failures(report), [
    /^FAILED {2}CDF: job-not-found, HOST answered with status 403/,
    /entitymatchingAcl:READ, then repeat the check with --job/,
  ])
})

t.test("names both issuers if the discovery document is another issuer's", async (t) => {
  const simulator = await startUpstream(t)
  const issuer = await startServer(t, (_request, response) =>
    response.end(JSON.stringify({ issuer: 'https://idp.example/other' })),
  )
  const { ok, report } = await check(t, simulator, { AUTH_ISSUER: issuer })
  t.notOk(ok)
  t.match(failures(report), [
    `FAILED  JWKS of callers' issuer: the discovery document of ${issuer} names another issuer: https://idp.example/other`,
    /If the other issuer is the right one, configure it/,
    /^ok {6}CDF: /,
  ])
})

t.test('does not take a 404 of another server for one of CDF', async (t) => {
  const simulator = await startUpstream(t)
  simulator.cdf.faults.standing = { status: 404, body: '<html>' }
  const { ok, report } = await check(t, simulator)
  t.notOk(ok)
  t.match(failures(report), [
    'FAILED  CDF: job-not-found, HOST answered with status 404, x-request-id missing',
    /Check that CDF_URL leads to CDF/,
  ])
})

t.test('mentions an expired certificate', async (t) => {
  const simulator = await startUpstream(t)
  const pem = certificateText('localhost-key') + certificateText('expired')
  const { ok, report } = await check(t, simulator, {
    IDP_CLIENT_SECRET: '',
    IDP_CLIENT_AUTH_METHOD: 'private_key_jwt',
    IDP_CLIENT_KEY_FILE: join(t.testdir({ pem }), 'pem'),
  })
  t.notOk(ok)
  t.match(report, 'certificate in IDP_CLIENT_KEY_FILE has expired on 2025-01-01T00:00:00.000Z.')
})

t.test('reads the job of --job, and exits with 1 if a step fails', async (t) => {
  const simulator = await startUpstream(t)
  const { code, report } = await checkProcess(t, simulator, {}, ['--job', '42'])
  t.equal(code, 1)
  t.match(failures(report), [/^FAILED {2}CDF: job-not-found/, /CDF does not know this job/])
})

for (const args of [['--job', 'very-secret'], ['--very-secret'], ['very-secret']]) {
  t.test(`rejects the arguments ${args.length} ${args[0]} without any request`, async (t) => {
    const simulator = await startUpstream(t)
    const { code, report, stderr } = await checkProcess(t, simulator, {}, args)
    t.equal(code, 1)
    t.equal(report, '')
    t.match(stderr, /^(This is not a job id\.\n)?Usage: npm run check/)
    t.equal(simulator.identityProvider.tokenRequests, 0)
  })
}

t.test('exits with 78 if the configuration is invalid', async (t) => {
  const simulator = await startUpstream(t)
  const { code, stderr } = await checkProcess(t, simulator, { CDF_PROJECT: '' })
  t.equal(code, 78)
  t.match(stderr, /^The configuration has 1 issue\.\n- CDF_PROJECT is required/)
})

t.test('npm run check reads .env as npm start does', async (t) => {
  const root = resolve(import.meta.dirname, '../..')
  const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  // The part before checks the version of Node.
  const [, check = ''] = scripts.check.split(' && node ')
  const args = check.replace('src/check.ts', SCRIPT).split(' ')
  const start = scripts.start.replace('exec ', '').replace('--disable-sigusr1 ', '')
  t.equal(scripts.check.replace('check.ts', 'server.ts'), start)
  const simulator = await startUpstream(t)
  const cwd = t.testdir({})
  const lines = Object.entries(simulator.environment).map(([name, value]) => `${name}=${value}\n`)
  await writeFile(join(cwd, '.env'), lines.join(''))
  const { ended, output } = startProcess(t, args, {}, { cwd })
  t.equal(await ended, 0)
  t.match(output.stdout, 'as expected for a random job id')
})

t.test('reports whether Redis can be used', { skip: skipWithoutRedis }, async (t) => {
  const simulator = await startUpstream(t)
  const redis = await startRedis(t, '--requirepass', 'very-secret')
  const server = `127.0.0.1:${redis.port}`
  const closed = `127.0.0.1:${await freePort()}`
  const cases: [string, string, boolean, RegExp][] = [
    ['can be used', `:very-secret@${server}`, true, /^ok {6}Redis: standalone at HOST accepts/m],
    ['no password', server, false, /^FAILED {2}Redis: .*: NOAUTH\n {8}Redis needs a password/m],
    ['wrong password', `:other@${server}`, false, /: WRONGPASS\n {8}Check user and password/],
    ['nothing listens', closed, false, /: ECONNREFUSED\n {8}Nothing answers there/],
  ]
  for (const [name, address, isOk, expected] of cases) {
    const { ok, report } = await check(t, simulator, {
      REDIS_URL: `redis://${address}`,
      REDIS_TIMEOUT_MS: '2000',
    })
    t.equal(ok, isOk, name)
    t.match(report.replaceAll(server, 'HOST'), expected, name)
  }
})

t.test('reports a right that the user of Redis lacks', { skip: skipWithoutRedis }, async (t) => {
  const simulator = await startUpstream(t)
  const redis = await startRedis(t)
  const rights =
    '+eval +get +getrange +set +del +pttl +pexpire +time +hgetall +hset +hdel +xadd +xrange'
  const user = ['on', '>very-secret', '~cdf-job-quality:*', '&cdf-job-quality:*', '-@all']
  const setUser = (name: string, ...allowed: string[]) =>
    redis.command('ACL', 'SETUSER', name, ...user, ...rights.split(' '), ...allowed)
  await setUser('all', '+spublish', '+ssubscribe', '+ping', '+hello')
  await setUser('few', '+ssubscribe', '+ping', '+hello')
  const checkAs = (name: string) =>
    check(t, simulator, {
      REDIS_URL: `redis://${name}:very-secret@127.0.0.1:${redis.port}`,
      REDIS_TIMEOUT_MS: '2000',
    })
  t.match(await checkAs('all'), { ok: true, report: 'accepts all commands of the service' })
  t.match(await checkAs('few'), { ok: false, report: /NOPERM\n {8}The user lacks a right/ })
  await until(async () => (await redis.keys('*:result')).length === 0)
})

t.test(
  'reports a node of a cluster as a standalone Redis',
  { skip: skipWithoutRedis },
  async (t) => {
    const simulator = await startUpstream(t)
    const redis = await startRedis(
      t,
      ...['--cluster-enabled', 'yes', '--cluster-port', `${await freePort()}`],
    )
    // One of several nodes, which has the slots of most keys.
    await redis.command('CLUSTER', 'ADDSLOTSRANGE', '0', '14000')
    await redis.command('CONFIG', 'SET', 'cluster-require-full-coverage', 'no')
    await until(async () => (await redis.command('CLUSTER', 'INFO')).includes('cluster_state:ok'))
    const { ok, report } = await check(t, simulator, {
      REDIS_URL: redis.url,
      REDIS_TIMEOUT_MS: '2000',
    })
    t.notOk(ok)
    t.match(report, /(CLUSTERDOWN|ERR)\n {8}The cluster is incomplete, or REDIS_MODE does not fit/)
  },
)

t.test('names what to do if Redis rejects commands', { skip: skipWithoutRedis }, async (t) => {
  const simulator = await startUpstream(t)
  const redis = await startRedis(t, '--maxmemory', '1')
  const { ok, report } = await check(t, simulator, {
    REDIS_URL: redis.url,
    REDIS_TIMEOUT_MS: '2000',
  })
  t.notOk(ok)
  t.match(report, /: OOM\n {8}Redis is full/)
})
