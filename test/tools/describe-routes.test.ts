import t from 'tap'
import { describeRoutes } from '../../tools/openapi/describe-routes.ts'

const operation = { operationId: 'getA', tags: ['jobs'], summary: 'A', description: 'A.' }

t.test('joins each route with its operation, in the order of the operations', async (t) => {
  const operations = { 'GET /a': operation, 'GET /b/:c': { ...operation, operationId: 'getB' } }
  t.strictSame(describeRoutes(['/b/:c', '/a'], operations), [
    { url: '/a', schema: operation },
    { url: '/b/:c', schema: operations['GET /b/:c'] },
  ])
})

t.test('rejects a public route without a description', async (t) => {
  t.throws(() => describeRoutes(['/a', '/b'], { 'GET /a': operation }), {
    message: 'GET /b: describe it in tools/openapi/operations/ or hide the route',
  })
})

t.test('rejects a description without a public route', async (t) => {
  t.throws(() => describeRoutes([], { 'GET /a': operation }), {
    message: 'tools/openapi/operations/ describes GET /a, which is no public route',
  })
})
