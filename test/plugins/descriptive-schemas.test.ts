import Fastify from 'fastify'
import t from 'tap'
import { DESCRIPTIVE_SCHEMAS } from '../../plugins/descriptive-schemas.ts'

const schema = { type: 'object', properties: { a: { type: 'string' } } }

/** Starts an application with one route. */
async function start(route: object) {
  const app = Fastify({ schemaController: DESCRIPTIVE_SCHEMAS })
  app.route({ method: 'POST', url: '/a', handler: async () => ({ b: 1 }), ...route })
  await app.ready()
  return app
}

for (const part of ['params', 'querystring', 'body']) {
  t.test(`does not start with a ${part} schema without a validatorCompiler`, async (t) => {
    await t.rejects(start({ schema: { [part]: schema } }), { message: new RegExp(part) })
    await t.resolves(start({ schema: { [part]: schema }, validatorCompiler: () => () => true }))
  })
}

t.test('accepts schemas for headers and responses, which only describe', async (t) => {
  const app = await start({ schema: { headers: schema, response: { 200: schema } } })
  const { statusCode, body } = await app.inject({ method: 'POST', url: '/a', payload: {} })
  t.strictSame([statusCode, body], [200, '{"b":1}'], 'all members are sent')
})
