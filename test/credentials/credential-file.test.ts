import { execFile } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { join } from 'node:path'
import { inspect, promisify } from 'node:util'
import type { Test } from 'tap'
import t from 'tap'
import type { CredentialFile } from '../../src/credentials/credential-file.ts'
import {
  CredentialFileError,
  readCredential,
  readCredentialSync,
} from '../../src/credentials/credential-file.ts'
import { CLIENT_SECRET_FILE } from '../../src/credentials/secret-file.ts'
import { SIGNING_KEY_FILE } from '../../src/credentials/signing-key-file.ts'
import { certificateText } from '../support/fixtures.ts'

const SECRET = 'very-secret'

/** Writes bytes to a file and reads them as a credential, in both ways. */
async function read<Credential>(
  t: Test,
  file: CredentialFile<Credential>,
  content: string | Buffer,
): Promise<Credential | CredentialFileError> {
  const path = `${t.testdir({ credential: content })}/credential`
  const result = await readCredential(file, path).catch((error: CredentialFileError) => error)
  if (!(result instanceof CredentialFileError)) {
    t.same(readCredentialSync(file, path), result)
    return result
  }
  t.throws(() => readCredentialSync(file, path), { message: result.message })
  t.notMatch(inspect(result, { depth: 10, showHidden: true }), SECRET)
  return result
}

const utf16 = Buffer.from(`\ufeff${SECRET}`, 'utf16le')
const secretFiles: [name: string, content: string | Buffer, message: string][] = [
  ['in UTF-16, little endian', utf16, 'names a file that is in UTF-16: save it in UTF-8'],
  [
    'in UTF-16, big endian',
    Buffer.from(utf16).swap16(),
    'names a file that is in UTF-16: save it in UTF-8',
  ],
  [
    'in UTF-16 without a byte order mark',
    utf16.subarray(2),
    'names a file that is in UTF-16: save it in UTF-8',
  ],
  ['in another encoding', Buffer.from([0x61, 0xe4]), 'names a file that is not in UTF-8'],
  [
    'with two lines',
    `${SECRET}\n${SECRET}\n`,
    'names a file that has more than one line: leave only the secret in it',
  ],
  ['without content', ' \n', 'names a file that is empty'],
  [
    'of more than 1 MiB',
    Buffer.alloc(1024 * 1024 + 1, 'a'),
    'names a file that has more than 1 MiB',
  ],
]
for (const [name, content, message] of secretFiles) {
  t.test(`rejects a secret file ${name}`, async (t) => {
    t.match(await read(t, CLIENT_SECRET_FILE, content), {
      message: `IDP_CLIENT_SECRET_FILE ${message}`,
      issue: message,
    })
  })
}

t.test('ignores a UTF-8 byte order mark and the newline at the end', async (t) => {
  t.equal(await read(t, CLIENT_SECRET_FILE, `\ufeff${SECRET}\r\n`), SECRET)
})

t.test('names the error code of a file that cannot be read', async (t) => {
  await t.rejects(readCredential(CLIENT_SECRET_FILE, '/nowhere'), {
    message: 'IDP_CLIENT_SECRET_FILE names a file that cannot be read: ENOENT',
  })
})

t.test('rejects what is no regular file, because its read could take for ever', async (t) => {
  const pipe = join(t.testdir({}), 'pipe')
  await promisify(execFile)('mkfifo', [pipe])
  for (const path of [pipe, '/dev/zero', t.testdirName]) {
    const message = 'IDP_CLIENT_SECRET_FILE names a file that is not a regular file'
    await t.rejects(readCredential(CLIENT_SECRET_FILE, path), { message })
    t.throws(() => readCredentialSync(CLIENT_SECRET_FILE, path), { message })
  }
})

const key = certificateText('localhost-key')
const certificate = certificateText('localhost')

for (const [name, pem, subject] of [
  ['without a certificate', key, undefined],
  ['with its certificate', key + certificate, 'CN=localhost'],
  ['after its certificate', certificate + key, 'CN=localhost'],
  ['with a chain in any order', certificateText('other') + key + certificate, 'CN=localhost'],
  ['with an expired certificate', key + certificateText('expired'), /expired/],
  ['with a byte order mark', `\ufeff${key}`, undefined],
] as const) {
  t.test(`reads a private key ${name}`, async (t) => {
    const read = await readCredential(
      SIGNING_KEY_FILE,
      `${t.testdir({ credential: pem })}/credential`,
    )
    t.equal(read.key.type, 'private')
    t.match(read.certificate?.subject, subject)
  })
}

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'secp256k1' })
const encrypted = generateKeyPairSync('ed25519').privateKey.export({
  type: 'pkcs8',
  format: 'pem',
  cipher: 'aes-256-cbc',
  passphrase: SECRET,
})
for (const [name, pem, message] of [
  ['without a key', certificate, 'has no unencrypted RSA, EC or Ed25519 private key in PEM'],
  ['with an encrypted key', encrypted, 'has no unencrypted RSA, EC or Ed25519 private key in PEM'],
  [
    'with a curve that JOSE does not have',
    privateKey.export({ type: 'pkcs8', format: 'pem' }),
    'has no unencrypted RSA, EC or Ed25519 private key in PEM',
  ],
  [
    'with the certificate of another key',
    key + certificateText('other'),
    'has a certificate of another private key: the two must belong together',
  ],
  [
    'with a damaged certificate',
    `${key}${certificate.slice(0, 200)}\n-----END CERTIFICATE-----\n`,
    'has a certificate that is damaged',
  ],
  ['in UTF-16', Buffer.from(key, 'utf16le'), 'is in UTF-16: save it in UTF-8'],
] as const) {
  t.test(`rejects a key file ${name}`, async (t) => {
    t.match(await read(t, SIGNING_KEY_FILE, pem), {
      message: `IDP_CLIENT_KEY_FILE names a file that ${message}`,
    })
  })
}
