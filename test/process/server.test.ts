import type { Test } from 'tap'
import t from 'tap'
import { lasting } from '../../simulator/upstream/simulated-job.ts'
import { startSimulator } from '../../simulator/upstream/start-simulator.ts'
import type { JobQuality } from '../../src/jobs/job-quality.ts'
import type { Problem } from '../../src/problems/problem.ts'
import { openEvents } from '../support/event-stream.ts'
import { JOB_ID } from '../support/fixtures.ts'
import { startServer } from '../support/local-server.ts'
import { request } from '../support/request.ts'
import { startProcess } from '../support/start-process.ts'
import { until } from '../support/wait.ts'

/** Starts the service in a child process, with a simulator, and waits for its first access token. */
async function startService(t: Test, environment: Record<string, string> = {}) {
  const simulator = await startSimulator()
  t.teardown(() => simulator.close())
  const service = startProcess(t, ['src/server.ts'], {
    ...simulator.environment,
    AUTH_MODE: 'none',
    PORT: '0',
    ...environment,
  })
  await until(() => service.output.stdout.includes('access token obtained'))
  return { ...service, simulator, url: service.url() }
}

t.test('exits with 78 and reports all issues of an invalid configuration', async (t) => {
  const { output, ended } = startProcess(t, ['src/server.ts'], {
    PORT: 'x',
    IDP_CLIENT_SECRET: 'very-secret',
    CDF_PROJECT: 'p',
  })
  t.equal(await ended, 78)
  t.equal(output.stdout, '')
  t.equal(
    output.stderr.replaceAll(/ (must|is |\().*/g, ''),
    [
      'The configuration has 7 issues.',
      '- CDF_PROJECT',
      '- PORT',
      '- CDF_CLUSTER',
      '- IDP_CLIENT_ID',
      '- IDP_TOKEN_URL',
      '- AUTH_ISSUER',
      '- AUTH_AUDIENCE',
      '',
    ].join('\n'),
  )
  t.notMatch(output.stderr, /very-secret|\n {4}at /)
})

t.test(
  'exits with 78 and names the variable of an invalid proxy, but not its password',
  async (t) => {
    const simulator = await startSimulator()
    t.teardown(() => simulator.close())
    const { output, ended } = startProcess(t, ['src/server.ts'], {
      ...simulator.environment,
      https_proxy: 'socks5://user:very-secret@proxy.example',
    })
    t.equal(await ended, 78)
    t.match(output.stderr, /\n- https_proxy must be the URL of a proxy with http: or https:/)
    t.notMatch(output.stdout + output.stderr, 'very-secret')
  },
)

t.test('completes requests in progress after SIGTERM and exits with 0', async (t) => {
  const { child, output, ended, url, simulator } = await startService(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  t.match(output.stdout, 'AUTH_MODE=none: every job')
  t.equal((await request(`${url}/health/ready`)).status, 200)

  simulator.cdf.faults.next({ delayMs: 300 })
  const inFlight = request(`${url}/jobs/${JOB_ID}/quality`)
  await until(() => simulator.cdf.requests.length >= 1)
  child.kill('SIGTERM')
  const { status, headers } = await inFlight
  t.equal(status, 200)
  t.equal(headers.get('connection'), 'close')
  t.equal(await ended, 0)
  t.notMatch(output.stdout + output.stderr, simulator.identityProvider.clientSecret)
  t.notMatch(output.stdout + output.stderr, /eyJ/)
})

t.test('ends waits and streams immediately after SIGTERM', async (t) => {
  const { child, output, ended, url, simulator } = await startService(t, {
    SHUTDOWN_DELAY_MS: '1000',
    SHUTDOWN_GRACE_MS: '60000',
  })
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  const stream = await openEvents(t, `${url}/jobs/${JOB_ID}/quality/events`)
  await until(() => stream.events.length === 1)
  const waiting = request(`${url}/jobs/${JOB_ID}/quality`, { headers: { prefer: 'wait=25' } })
  await until(() => simulator.cdf.requests.length === 2)
  child.kill('SIGTERM')
  t.equal((await waiting).status, 200)
  await until(stream.hasEnded)
  t.equal(child.exitCode, null, 'before the process ends')
  t.equal(await ended, 0)
  t.notMatch(output.stdout, 'grace period over')
})

t.test('serves requests but is not ready during SHUTDOWN_DELAY_MS', async (t) => {
  const { child, output, ended, url } = await startService(t, { SHUTDOWN_DELAY_MS: '1000' })
  child.kill('SIGTERM')
  await until(() => output.stdout.includes('shutting down'))
  t.equal((await request(`${url}/health/ready`)).status, 503)
  t.equal((await request(`${url}/openapi.yaml`)).status, 200)
  t.equal(await ended, 0)
})

t.test('closes open connections after the grace period and exits with 0', async (t) => {
  const { child, output, ended, url, simulator } = await startService(t, {
    SHUTDOWN_GRACE_MS: '300',
  })
  simulator.cdf.faults.next('hang')
  const aborted = request(`${url}/jobs/${JOB_ID}/quality`).catch(() => 'aborted')
  await until(() => simulator.cdf.requests.length >= 1)
  child.kill('SIGTERM')
  t.equal(await aborted, 'aborted')
  t.equal(await ended, 0)
  t.match(output.stdout, 'grace period over')
})

t.test('completes requests in progress after an uncaught error and exits with 1', async (t) => {
  const simulator = await startSimulator()
  t.teardown(() => simulator.close())
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  // Thrown in a callback, outside of any request.
  const bug =
    "process.on('SIGUSR2', () => { throw Object.assign(new Error('a bug'), { token: ['very', 'secret'].join('-') }) })"
  const { child, output, ended, url } = startProcess(
    t,
    ['--import', `data:text/javascript,${encodeURIComponent(bug)}`, 'src/server.ts'],
    { ...simulator.environment, AUTH_MODE: 'none', PORT: '0' },
  )
  await until(() => output.stdout.includes('access token obtained'))
  simulator.cdf.faults.next({ delayMs: 300 })
  const inFlight = request(`${url()}/jobs/${JOB_ID}/quality`)
  await until(() => simulator.cdf.requests.length >= 1)
  child.kill('SIGUSR2')
  t.equal((await inFlight).status, 200)
  t.equal(await ended, 1)
  t.match(output.stdout, '"msg":"uncaught error"')
  t.match(output.stdout, '"message":"a bug"')
  t.notMatch(output.stdout + output.stderr, 'very-secret')
})

t.test('exits immediately after a second signal', async (t) => {
  const { child, ended, output } = await startService(t, { SHUTDOWN_DELAY_MS: '60000' })
  child.kill('SIGTERM')
  await until(() => output.stdout.includes('shutting down'))
  child.kill('SIGTERM')
  t.equal(await ended, 1)
})

/** The lines of the log, parsed. */
const linesOf = ({ stdout }: { stdout: string }): Record<string, unknown>[] =>
  stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))

const notListening: [name: string, environment: (port: string) => object, reason: string][] = [
  [
    'PORT is in use',
    (port) => ({ PORT: port, SHUTDOWN_DELAY_MS: '60000' }),
    'PORT is in use by another process (EADDRINUSE)',
  ],
  [
    'HOST is not a local address',
    () => ({ HOST: '203.0.113.1', AUTH_ALLOW_ANONYMOUS: 'true' }),
    'HOST is not an address of this machine (EADDRNOTAVAIL)',
  ],
]
for (const [name, environment, reason] of notListening) {
  t.test(`exits with 1 and one line that names the variable if ${name}`, async (t) => {
    const simulator = await startSimulator()
    t.teardown(() => simulator.close())
    const { output, ended } = startProcess(t, ['src/server.ts'], {
      ...simulator.environment,
      AUTH_MODE: 'none',
      PORT: '0',
      ...environment(new URL(simulator.url).port),
    })
    t.equal(await ended, 1, 'without the shutdown delay')
    t.match(linesOf(output), [
      { msg: /^AUTH_MODE=none/ },
      { msg: 'cannot listen', level: 60, reason },
    ])
    t.equal(linesOf(output).length, 2)
    t.notMatch(output.stdout, /uncaught error|stack/)
    t.equal(output.stderr, '')
  })
}

t.test('starts with one line for each setting that is unsafe or has no effect', async (t) => {
  const other = await startServer(t, (_request, response) => response.end())
  const { output, url } = await startService(t, {
    INSECURE_HTTP_HOSTS: 'idp.svc,cdf.svc',
    METRICS_PORT: new URL(other).port,
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
  })
  const linesWith = (text: string) =>
    linesOf(output).filter(({ msg }) => typeof msg === 'string' && msg.startsWith(text))
  await until(() => linesWith('metrics listener failed').length > 0)
  t.match(linesWith('INSECURE_HTTP_HOSTS'), [{ level: 40, hosts: ['idp.svc', 'cdf.svc'] }])
  t.match(linesWith('metrics listener failed'), [
    { reason: 'METRICS_PORT is in use by another process (EADDRINUSE)' },
  ])
  t.match(linesWith('tracing is misconfigured'), [
    { level: 40, isOn: false, reason: /^OTEL_EXPORTER_OTLP_PROTOCOL is grpc/ },
  ])
  for (const text of ['INSECURE_HTTP_HOSTS', 'metrics listener failed', 'tracing is misconfigured'])
    t.equal(linesWith(text).length, 1)
  t.notMatch(output.stdout, 'stack')
  t.equal((await request(`${url}/health/ready`)).status, 200)
})

t.test('starts while CDF and the identity provider are unreachable', async (t) => {
  const simulator = await startSimulator()
  await simulator.close()
  const { child, ended, url } = startProcess(t, ['src/server.ts'], {
    ...simulator.environment,
    AUTH_MODE: 'none',
    PORT: '0',
  })
  await until(() => url() !== '')
  t.equal((await request(`${url()}/health/live`)).status, 200)
  t.equal((await request(`${url()}/health/ready`)).status, 503)
  t.match(await request(`${url()}/jobs/${JOB_ID}/quality`), {
    status: 503,
    body: { code: 'identity-provider-unavailable' },
  })
  child.kill('SIGINT')
  t.equal(await ended, 0)
})

t.test(
  'the demo starts without configuration, responds to the commands that it prints, and exits after SIGINT',
  async (t) => {
    const { child, output, ended } = startProcess(t, ['simulator/demo/start.ts'], {
      PORT: '0',
      SIMULATOR_PORT: '0',
    })
    await until(() => output.stdout.includes('Press Ctrl-C'))
    t.match(output.stdout, /Swagger UI +http:\/\/127\.0\.0\.1:\d+\/docs/)
    const [, token] = output.stdout.match(/^ *TOKEN=(\S+)$/m) ?? []
    const commands = [...output.stdout.matchAll(/curl -i(.*) (http\S+)/g)]
    const answers = await Promise.all(
      commands.map(([, header, url = '']) =>
        request(url, header ? { headers: { authorization: `Bearer ${token}` } } : {}),
      ),
    )
    t.strictSame(
      answers.map(({ status, body }) =>
        status === 200 ? (body as JobQuality).status : (body as Problem).code,
      ),
      [
        'Completed',
        'Completed',
        'Failed',
        'Queued',
        'Running',
        'Unknown',
        'Queued',
        'job-not-found',
        'invalid-job-id',
        'unauthenticated',
      ],
    )
    child.kill('SIGINT')
    t.equal(await ended, 0)
    t.equal(output.stderr, '')
  },
)

t.test('the demo names the variable of a port that is in use', async (t) => {
  const simulator = await startSimulator()
  t.teardown(() => simulator.close())
  const { port } = new URL(simulator.url)
  for (const name of ['PORT', 'SIMULATOR_PORT']) {
    const { output, ended } = startProcess(t, ['simulator/demo/start.ts'], {
      ...{ PORT: '0', SIMULATOR_PORT: '0', METRICS_PORT: '0', LOG_LEVEL: 'silent' },
      [name]: port,
    })
    t.equal(await ended, 1)
    t.equal(output.stderr, `Port ${port} is in use: set ${name} to another one.\n`)
  }
})

t.test('the demo rejects an invalid port in one line', async (t) => {
  for (const name of ['PORT', 'SIMULATOR_PORT', 'METRICS_PORT']) {
    const { output, ended } = startProcess(t, ['simulator/demo/start.ts'], {
      ...{ PORT: '0', SIMULATOR_PORT: '0', METRICS_PORT: '0' },
      [name]: '70000',
    })
    t.equal(await ended, 1)
    t.equal(output.stderr, `${name} must be an integer from 0 to 65535\n`)
  }
})

t.test('the demo accepts origins of front ends and a log level', async (t) => {
  const { output, child, ended } = startProcess(t, ['simulator/demo/start.ts'], {
    ...{ PORT: '0', SIMULATOR_PORT: '0', METRICS_PORT: '0' },
    CORS_ORIGINS: 'http://localhost:5173',
    LOG_LEVEL: 'error',
  })
  await until(() => output.stdout.includes('Press Ctrl-C'))
  t.notMatch(output.stdout, 'access token obtained')
  const [, tokenUrl = ''] = output.stdout.match(/curl -s (\S+\/demo\/token)/) ?? []
  const tokenResponse = await request(tokenUrl)
  t.match(tokenResponse.body, { token: /^ey/ })
  t.equal(tokenResponse.headers.get('access-control-allow-origin'), '*')
  const [, url = ''] = output.stdout.match(/OpenAPI document +(\S+)\/openapi.yaml/) ?? []
  const { headers } = await request(`${url}/health/live`, {
    headers: { origin: 'http://localhost:5173' },
  })
  t.equal(headers.get('access-control-allow-origin'), 'http://localhost:5173')
  child.kill('SIGINT')
  t.equal(await ended, 0)
})
