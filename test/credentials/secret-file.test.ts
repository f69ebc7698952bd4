import t from 'tap'
import { CLIENT_SECRET_FILE, secretFault } from '../../src/credentials/secret-file.ts'

const valid: [name: string, secret: string][] = [
  ['a secret of Entra ID', '~bC8Q~wq_1dG.kLk2iN-3oPzRtUvW4xYz5AbCdEf'],
  ['base64 with padding', 'QUJDREVGR0hJSktMTU5PUA=='],
  ['base64 with the letters KEY before the padding', 'MONKEY_A=='],
  ['an equals sign in the middle', 'K=3f!x'],
  ['an equals sign after lower-case letters', 'abc=def'],
  ['an equals sign at the beginning', '=abc'],
  ['a quote at one end', '"abc'],
  ['different quotes at the ends', '"abc\''],
  ['a single quote', '"'],
  ['spaces inside', 'correct horse battery staple'],
  ['a hash', 'a#b'],
  ['letters beyond ASCII', 'pässword'],
  ['1024 characters', 'x'.repeat(1024)],
]
for (const [name, secret] of valid) {
  t.test(`accepts a secret with ${name}`, async (t) => {
    t.equal(secretFault(secret), undefined)
    t.equal(CLIENT_SECRET_FILE.parse(`\n ${secret}\r\n\n`), secret)
  })
}

const invalid: [secret: string, fault: RegExp][] = [
  ['', /^is empty$/],
  ['x'.repeat(1025), /more than 1024 characters/],
  ['first\nsecond', /more than one line/],
  ['first\r\nsecond', /more than one line/],
  ['a\tb', /control characters/],
  ['a\u0000b', /control characters/],
  ['"abc"', /quotes/],
  ["'abc'", /quotes/],
  ['`abc`', /quotes/],
  ['IDP_CLIENT_SECRET=abc', /variable name/],
  ['export IDP_CLIENT_SECRET=abc', /variable name/],
  ['IDP_CLIENT_SECRET="abc"', /variable name/],
  ['IDP_CLIENT_SECRET = abc', /variable name/],
  ['client_secret=abc', /variable name/],
  ['KEY=value', /variable name/],
  ['PASSWORD=abc', /variable name/],
  ['MY_APP=QUJD==', /variable name/],
]
for (const [secret, fault] of invalid) {
  t.test(`rejects the secret ${JSON.stringify(secret.slice(0, 40))}`, async (t) => {
    t.match(secretFault(secret), fault)
  })
}

t.test('checks a long text in linear time', async (t) => {
  for (const text of ['A_', 'key', ' ', '=', 'A='])
    t.match(secretFault(text.repeat(1_000_000)), 'more than 1024')
})
