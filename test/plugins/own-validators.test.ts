import Fastify from 'fastify'
import t from 'tap'
import { OWN_VALIDATORS } from '../../plugins/own-validators.ts'

const schema = { type: 'object', properties: { a: { type: 'string' } } }

/** Starts an application with one route. */
async function start(route: object) {
  const app = Fastify({ schemaController: OWN_VALIDATORS })
  app.route({ method: 'POST', url: '/a', handler: async () => ({ b: 1 }), ...route })
  await app.ready()
  return app
}

for (const part of ['params', 'querystring', 'headers', 'body']) {
  t.test(`does not start with a ${part} schema without a validatorCompiler`, async (t) => {
    await t.rejects(start({ schema: { [part]: schema } }), { message: new RegExp(part) })
    await t.resolves(start({ schema: { [part]: schema }, validatorCompiler: () => () => true }))
  })
}

t.test('does not start with a response schema', async (t) => {
  await t.rejects(start({ schema: { response: { 200: schema } } }), {
    message: 'POST /a: response schemas belong in tools/openapi/',
  })
})
