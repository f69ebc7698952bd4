import t from 'tap'
import { serializeError } from '../../src/telemetry/error-serializer.ts'

t.test('serializes only known members of errors, and circular causes', async (t) => {
  const cause = Object.assign(new Error('inner'), {
    code: 'E_INNER',
    response: { body: 'a token' },
  })
  const logged = serializeError(
    Object.assign(new Error('outer', { cause }), { request: 'a token' }),
  )
  t.match(logged, { type: 'Error', message: 'outer', cause: { message: 'inner', code: 'E_INNER' } })
  t.notMatch(JSON.stringify(logged), 'a token')
  t.match(serializeError('a token'), { type: 'string' })
  t.notMatch(JSON.stringify(serializeError('a token')), 'a token')
  const endless = new Error('loop')
  endless.cause = endless
  t.doesNotThrow(() => JSON.stringify(serializeError(endless)))
})
