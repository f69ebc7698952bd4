import { readFile } from 'node:fs/promises'
import t from 'tap'
import { PROBLEM_CODES, PROBLEMS } from '../../src/problem-table.ts'
import { assertProblem, parseRaw, request, sendRaw, startService } from '../helper.ts'

t.test('serves the contract byte for byte', async (t) => {
  const { get, app } = await startService(t)
  const yaml = await get('/openapi.yaml')
  t.equal(yaml.status, 200)
  t.equal(yaml.text, await readFile(new URL('../../openapi.yaml', import.meta.url), 'utf8'))
  t.equal(yaml.headers.get('content-type'), 'application/yaml')
  const json = await get('/openapi.json')
  const contract = await app.contractApplication()
  await contract.ready()
  t.strictSame(json.body, JSON.parse(JSON.stringify(contract.swagger())))
  t.match(json.headers.get('content-type'), /^application\/json/)
})

t.test('leads from the root to Swagger UI', async (t) => {
  const { get } = await startService(t)
  const { status, headers } = await get('/')
  t.equal(status, 302)
  t.equal(headers.get('location'), '/docs')
})

t.test('serves Swagger UI behind a strict policy of its own, over plain http', async (t) => {
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
})

t.test(
  'serves Swagger UI the contract with the policy of everything that is no page',
  async (t) => {
    const { get } = await startService(t)
    for (const path of ['/docs/json', '/docs/yaml']) {
      const { headers } = await get(path)
      t.equal(headers.get('content-security-policy'), "default-src 'none'; frame-ancestors 'none'")
    }
  },
)

t.test('forwards to Swagger UI what a browser says of a file that it has', async (t) => {
  const { url, get } = await startService(t)
  const path = '/docs/static/swagger-ui.css'
  const { headers, text } = await get(path)
  t.match(headers.get('content-type'), 'text/css')
  const length = Number(headers.get('content-length'))
  t.equal(length, Buffer.byteLength(text))
  const etag = headers.get('etag') ?? ''
  const unchanged = await get(path, { 'if-none-match': etag })
  t.match(unchanged, { status: 304, text: '' })
  t.equal(unchanged.headers.get('content-length'), null)
  const head = await request(url + path, { method: 'HEAD' })
  t.match(head, { status: 200, text: '' })
  t.equal(Number(head.headers.get('content-length')), length)
  const part = await get(path, { range: 'bytes=0-9' })
  t.match(part, { status: 206, text: text.slice(0, 10) })
  assertProblem(t, await get('/docs/static/nothing.css'), 404, 'not-found')
})

t.test('does not let Swagger UI answer what is not below its path', async (t) => {
  const { port } = await startService(t)
  const paths = ['/docs/../health/live', '/docs/%2e%2e/openapi.json', '/docs/../jobs/1/quality']
  for (const path of paths) {
    const bytes = `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`
    assertProblem(t, parseRaw(await sendRaw(port, bytes)), 404, 'not-found')
  }
})

t.test('makes problems of the failures of Swagger UI', async (t) => {
  const { get } = await startService(t)
  const path = '/docs/static/swagger-ui.css'
  const outside = await get(path, { range: 'bytes=99999999-' })
  assertProblem(t, outside, 400, 'invalid-request')
  assertProblem(t, await get('/docs/static/%00'), 404, 'not-found')

  const other = await startService(t)
  const { contractApplication } = other.app
  other.app.contractApplication = async () => {
    const contract = await contractApplication()
    contract.addHook('onRequest', async () => {
      throw new Error('ENOENT: /a/secret/path')
    })
    return contract
  }
  const failed = await other.get(path)
  assertProblem(t, failed, 500, 'internal-error')
  t.notMatch(failed.text, 'secret')
  t.equal(other.logs.filter(({ msg }) => msg === 'internal error').length, 1)
})

t.test('tries again what could not be made, and ends all the same', async (t) => {
  const { get, app } = await startService(t)
  const { contractApplication } = app
  app.contractApplication = () => Promise.reject(new Error('not now'))
  for (const path of ['/docs', '/openapi.json'])
    assertProblem(t, await get(path), 500, 'internal-error')
  app.contractApplication = contractApplication
  for (const path of ['/docs', '/openapi.json']) t.equal((await get(path)).status, 200)
  await t.resolves(app.close())
})

t.test('tells Swagger UI where to log in, and only Swagger UI', async (t) => {
  const withoutLogin = { components: { securitySchemes: { bearer: Object, oauth: undefined } } }
  const { get, simulator } = await startService(t)
  const { body } = await get('/docs/json')
  t.match(body, withoutLogin, 'not before the page was opened')
  const page = await get('/docs')
  t.match(page.headers.get('content-security-policy'), `connect-src 'self' ${simulator.url};`)
  const told = await get('/docs/json')
  const authorizationCode = {
    authorizationUrl: `${simulator.issuer}/auth`,
    tokenUrl: `${simulator.issuer}/token`,
  }
  t.match(told.body, {
    components: { securitySchemes: { oauth: { flows: { authorizationCode } } } },
  })
  const forAll = { tokenUrl: 'https://issuer.example/oauth2/token' }
  t.match((await get('/openapi.json')).body, {
    components: { securitySchemes: { oauth: { flows: { clientCredentials: forAll } } } },
  })
})

t.test('has no login while the issuer is gone, but the page', async (t) => {
  const { get, simulator, logs } = await startService(t)
  simulator.identityProvider.faults.standing = 'reset'
  const page = await get('/docs')
  t.equal(page.status, 200)
  t.match(page.headers.get('content-security-policy'), "connect-src 'self';")
  t.ok(logs.some(({ msg }) => msg === 'no login for Swagger UI'))
})

t.test('has no Swagger UI where that is switched off, but the contract', async (t) => {
  const { get } = await startService(t, { environment: { DOCS_ENABLED: 'false' } })
  t.equal((await get('/docs')).status, 404)
  t.equal((await get('/openapi.yaml')).status, 200)
  t.equal((await get('/')).headers.get('location'), '/openapi.yaml')
})

t.test('has a page for each type of problem', async (t) => {
  const { get } = await startService(t)
  for (const code of PROBLEM_CODES) {
    const { status, headers, text } = await get(`/problems/${code}`)
    t.equal(status, 200, code)
    t.equal(headers.get('content-type'), 'text/html; charset=utf-8')
    t.match(headers.get('content-security-policy'), "default-src 'none'")
    t.match(text, PROBLEMS[code].title)
    t.match(text, PROBLEMS[code].forCaller)
    t.match(text, PROBLEMS[code].forOperator)
  }
})

t.test('has nothing in the table that HTML would take for markup', async (t) => {
  t.notMatch(JSON.stringify(PROBLEMS), /[<>&]/)
})
