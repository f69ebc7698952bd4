import { readFile } from 'node:fs/promises'
import t from 'tap'
import { parse } from 'yaml'
import { PROBLEM_CODES, PROBLEM_TYPES } from '../../src/problems/problem-types.ts'
import { assertProblem } from '../support/assert-problem.ts'
import { parseRaw, sendRaw } from '../support/raw-socket.ts'
import { request } from '../support/request.ts'
import { startService } from '../support/start-service.ts'

t.test('serves the committed contract, byte for byte', async (t) => {
  const { get } = await startService(t)
  const yaml = await get('/openapi.yaml')
  t.equal(yaml.status, 200)
  t.equal(yaml.text, await readFile(new URL('../../openapi.yaml', import.meta.url), 'utf8'))
  t.equal(yaml.headers.get('content-type'), 'application/yaml')
  const json = await get('/openapi.json')
  t.strictSame(json.body, parse(yaml.text))
  t.match(json.headers.get('content-type'), /^application\/json/)
})

t.test(
  'serves public documents compressed, with a strong entity tag per representation',
  async (t) => {
    const { url } = await startService(t)
    for (const path of ['/openapi.yaml', '/docs/static/swagger-ui.css', '/problems/overloaded']) {
      const fetchAs = (headers: Record<string, string>) => request(url + path, { headers })
      const plain = await fetchAs({ 'accept-encoding': 'identity' })
      const packed = await fetchAs({ 'accept-encoding': 'gzip' })
      t.equal(packed.text, plain.text, path)
      t.strictSame(
        [plain, packed].map(({ headers }) => headers.get('content-encoding')),
        [null, 'gzip'],
      )
      t.equal(Number(plain.headers.get('content-length')), Buffer.byteLength(plain.text))
      t.ok(Number(packed.headers.get('content-length')) < Buffer.byteLength(plain.text) / 1.2)
      const etags = [plain, packed].map(({ headers }) => headers.get('etag') ?? '')
      t.match(etags, [/^"[\w-]{22}"$/, /^"[\w-]{22}-gzip"$/])
      // What a proxy that compresses makes of the tags. Apache also appends to that of a 304 without Content-Encoding.
      const rewritten = etags.flatMap((etag) => [`W/${etag}`, etag.replace(/"$/, '-br"')])
      for (const etag of [...etags, ...rewritten]) {
        const unchanged = await fetchAs({ 'if-none-match': etag })
        t.match(unchanged, { status: 304, text: '' })
        t.equal(unchanged.headers.get('content-length'), null)
      }
      const head = await request(url + path, {
        method: 'HEAD',
        headers: { 'accept-encoding': 'identity' },
      })
      t.match(head, { status: 200, text: '' })
      t.equal(head.headers.get('content-length'), plain.headers.get('content-length'))
    }
  },
)

t.test('sends no gzip to a caller that excludes it', async (t) => {
  const { url } = await startService(t)
  for (const [accepted, encoding] of [
    ['gzip', 'gzip'],
    ['br, GZIP;q=0.5', 'gzip'],
    ['gzip;q=0', null],
    ['gzip;q=0.000', null],
    ['br', null],
    ['gzipped', null],
  ] as const) {
    const { headers } = await request(`${url}/openapi.yaml`, {
      headers: { 'accept-encoding': accepted },
    })
    t.equal(headers.get('content-encoding'), encoding, accepted)
  }
})

t.test('redirects from the root to Swagger UI', async (t) => {
  const { get } = await startService(t)
  const { status, headers } = await get('/')
  t.equal(status, 302)
  t.equal(headers.get('location'), '/docs')
})

t.test(
  'serves Swagger UI with a strict content security policy that works over plain http',
  async (t) => {
    const { get } = await startService(t)
    const paths = [
      '/docs',
      '/docs/',
      '/docs/static/swagger-ui-bundle.js',
      '/docs/static/swagger-ui.css',
      '/docs/static/swagger-initializer.js',
    ]
    for (const path of paths) {
      const { status, headers } = await get(path)
      t.equal(status, 200, path)
      const policy = headers.get('content-security-policy') ?? ''
      t.match(policy, "default-src 'none'")
      t.match(policy, "script-src 'self';")
      t.notMatch(
        policy.replace(/connect-src [^;]*/, ''),
        /upgrade-insecure-requests|unsafe-eval|script-src[^;]*unsafe-inline|https?:|\*/,
      )
    }
  },
)

t.test('serves no second contract below /docs', async (t) => {
  const { get } = await startService(t)
  for (const path of ['/docs/json', '/docs/yaml'])
    assertProblem(t, await get(path), 404, 'not-found')
})

t.test('answers no path outside /docs with a file of Swagger UI', async (t) => {
  const { port } = await startService(t)
  const paths = ['/docs/../health/live', '/docs/%2e%2e/openapi.json', '/docs/../jobs/1/quality']
  for (const path of paths) {
    const bytes = `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`
    assertProblem(t, parseRaw(await sendRaw(port, bytes)), 404, 'not-found')
  }
})

t.test('answers unknown files of Swagger UI with a problem', async (t) => {
  const { get } = await startService(t)
  for (const path of ['/docs/static/nothing.css', '/docs/static/%00', '/docs/nothing'])
    assertProblem(t, await get(path), 404, 'not-found')
})

t.test('offers the login of the deployment in Swagger UI, not in the contract', async (t) => {
  const { get, simulator } = await startService(t)
  const page = await get('/docs')
  t.match(page.headers.get('content-security-policy'), `connect-src 'self' ${simulator.url};`)
  const { text } = await get('/docs/static/swagger-initializer.js')
  const settings = JSON.parse(/^const SETTINGS = (.*)$/m.exec(text)?.[1] ?? '')
  const authorizationCode = {
    authorizationUrl: `${simulator.issuer}/auth`,
    tokenUrl: `${simulator.issuer}/token`,
  }
  t.match(settings.securitySchemes.oauth.flows, { authorizationCode })
  const placeholder = { tokenUrl: 'https://issuer.example/oauth2/token' }
  t.match((await get('/openapi.json')).body, {
    components: { securitySchemes: { oauth: { flows: { clientCredentials: placeholder } } } },
  })
})

t.test('serves Swagger UI without a login while the issuer is down, and retries', async (t) => {
  const { get, simulator, logs, clock } = await startService(t, { clock: 'fake' })
  simulator.identityProvider.faults.standing = 'reset'
  const policy = async () => (await get('/docs')).headers.get('content-security-policy')
  t.match(await policy(), "connect-src 'self';")
  const failures = () =>
    logs.filter(({ msg }) => msg === 'OpenID discovery for Swagger UI failed').length
  t.equal(failures(), 1)
  clock.advance(30_000)
  await Promise.all([policy(), policy(), policy()])
  t.equal(failures(), 2, 'concurrent requests share one retry')
  simulator.identityProvider.faults.standing = undefined
  clock.advance(29_000)
  t.match(await policy(), "connect-src 'self';")
  clock.advance(1_000)
  t.match(await policy(), `connect-src 'self' ${simulator.url};`)
  t.equal(failures(), 2)
})

t.test('serves the contract, but no Swagger UI, with DOCS_ENABLED=false', async (t) => {
  const { get } = await startService(t, { environment: { DOCS_ENABLED: 'false' } })
  t.equal((await get('/docs')).status, 404)
  t.equal((await get('/openapi.yaml')).status, 200)
  t.equal((await get('/')).headers.get('location'), '/openapi.yaml')
})

t.test('serves a page for each type of problem', async (t) => {
  const { get } = await startService(t)
  for (const code of PROBLEM_CODES) {
    const { status, headers, text } = await get(`/problems/${code}`)
    t.equal(status, 200, code)
    t.equal(headers.get('content-type'), 'text/html; charset=utf-8')
    t.match(headers.get('content-security-policy'), "default-src 'none'")
    t.match(text, PROBLEM_TYPES[code].title)
    t.match(text, PROBLEM_TYPES[code].forCaller)
    t.match(text, PROBLEM_TYPES[code].forOperator)
  }
})

t.test('needs no HTML escaping in problem texts', async (t) => {
  t.notMatch(JSON.stringify(PROBLEM_TYPES), /[<>&]/)
})
