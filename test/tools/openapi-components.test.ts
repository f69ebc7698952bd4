import t from 'tap'
import { withComponents } from '../../tools/openapi/openapi-components.ts'

/** A document with a header in the responses of two operations. */
const documentWith = (...descriptions: [string, string]) => {
  const [first, second] = descriptions.map((description) => ({
    get: { responses: { 200: { headers: { age: { description, schema: {} } } } } },
  }))
  return { paths: { '/a': first ?? {}, '/b': second ?? {} }, components: { schemas: {} } }
}

t.test('moves equal headers with the same name to a shared component', async (t) => {
  const { paths, components } = withComponents(documentWith('seconds', 'seconds'))
  const get = { responses: { 200: { headers: { age: { $ref: '#/components/headers/age' } } } } }
  t.match(paths, { '/a': { get }, '/b': { get } })
  t.match(components.headers, { age: { description: 'seconds' } })
})

t.test('rejects different headers with the same name', async (t) => {
  t.throws(() => withComponents(documentWith('seconds', 'years')), {
    message: 'Two headers are called age.',
  })
})
