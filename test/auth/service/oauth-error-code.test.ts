import t from 'tap'
import { entraErrorNumber, loggableErrorCode } from '../../../src/auth/service/oauth-error-code.ts'

t.test('keeps registered codes', async (t) => {
  const codes = ['invalid_client', 'invalid_scope', 'unauthorized_client', 'slow_down', 'need_info']
  for (const code of codes) t.equal(loggableErrorCode(code), code)
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

t.test('has no code for a value that is not a text', async (t) => {
  for (const error of [undefined, null, 7, ['invalid_client']])
    t.equal(loggableErrorCode(error), undefined)
})

t.test('reads the number of Entra ID at the beginning of a description', async (t) => {
  t.equal(entraErrorNumber('AADSTS7000215: Invalid client secret.'), 'AADSTS7000215')
  t.equal(entraErrorNumber('AADSTS90002'), 'AADSTS90002')
})

t.test('reads no other text of a description', async (t) => {
  for (const description of [
    undefined,
    7000215,
    '',
    'see AADSTS7000215',
    'AADSTS',
    'AADSTSsecret',
    'aadsts7000215',
    `AADSTS${'1'.repeat(11)}`,
  ])
    t.equal(entraErrorNumber(description), undefined, String(description))
})
