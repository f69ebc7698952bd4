import t from 'tap'
import { loggableErrorCode } from '../../../src/auth/service/oauth-error-code.ts'

t.test('keeps registered codes', async (t) => {
  for (const code of ['invalid_client', 'invalid_scope', 'unauthorized_client', 'server_error'])
    t.equal(loggableErrorCode(code), code)
})

t.test('replaces any other text', async (t) => {
  for (const code of [
    '',
    'Invalid_Client',
    'invalid_client ',
    'a-client-secret',
    '\u202e',
    '__proto__',
  ])
    t.equal(loggableErrorCode(code), 'an unregistered error code')
})
