import t from 'tap'
import { IssuerMismatchError } from '../../src/auth/issuer-mismatch.ts'
import { TokenResponseError } from '../../src/auth/service/token-request-failure.ts'
import { connectionHint, hintFor, redisHint } from '../../src/check/hints.ts'
import { VARIABLES } from '../../src/config/environment.ts'
import { RequestFailure } from '../../src/http/request-failure.ts'

const failure = (code: string) => new RequestFailure('text', code)
const answer = (error: string, error_description?: string) =>
  new TokenResponseError('text', {
    status: 401,
    retryAfter: undefined,
    members: { error, error_description },
  })

const hints: [name: string, cause: unknown, hint: string][] = [
  ['an unknown host', failure('ENOTFOUND'), 'DNS does not know this host'],
  ['a refused connection', failure('ECONNREFUSED'), 'Nothing answers there'],
  ['no response', failure('TimeoutError'), 'Nothing answers there'],
  ['a lost connection', failure('ECONNRESET'), 'The connection was cut'],
  ['an expired certificate', failure('CERT_HAS_EXPIRED'), 'has expired'],
  ['an unknown authority', failure('UNABLE_TO_VERIFY_LEAF_SIGNATURE'), 'NODE_EXTRA_CA_CERTS'],
  ['a number of Entra ID', answer('invalid_client', 'AADSTS7000215: x'), 'not its id'],
  ['an unknown number of Entra ID', answer('invalid_scope', 'AADSTS1: x'), 'Check IDP_SCOPES'],
  ['an OAuth error', answer('invalid_client'), 'Check IDP_CLIENT_ID'],
  ['another issuer', new IssuerMismatchError('https://a', 'https://b'), 'configure it'],
  ['an unknown connection error', failure('EOTHER'), 'The service reads the file'],
  ['an unregistered OAuth error', answer('other'), 'The service reads the file'],
  ['an unknown cause', undefined, 'The service reads the file'],
]
for (const [name, cause, hint] of hints) {
  t.test(`explains ${name}`, async (t) => {
    t.match(hintFor('identity-provider-rejected', cause), hint)
  })
}

const redisHints: [reason: string, hint: string][] = [
  ['ECONNREFUSED', 'Nothing answers there'],
  ['ETIMEDOUT', 'raise REDIS_TIMEOUT_MS'],
  ['ECONNRESET', 'expects redis: or rediss:'],
  ['WRONGPASS', 'REDIS_PASSWORD_FILE'],
  ['NOPERM', 'docs/deployment.md'],
  ['LOADING', 'Try again'],
  ['CredentialFileError', 'docs/configuration.md'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'NODE_EXTRA_CA_CERTS'],
]
for (const [reason, hint] of redisHints) {
  t.test(`explains ${reason} of Redis`, async (t) => t.match(redisHint(reason), hint))
}

t.test('has no hint for an unknown code, also not for a member of every object', async (t) => {
  for (const code of ['', 'EOTHER', 'constructor', '__proto__'])
    t.strictSame([connectionHint(code), redisHint(code)], [undefined, undefined], code)
})

t.test('names only variables that exist', async (t) => {
  const codes = ['invalid_client', 'unauthorized_client', 'access_denied', 'invalid_scope']
  for (const code of [...codes, 'invalid_target', 'invalid_request', 'unsupported_grant_type']) {
    const hint = hintFor('identity-provider-rejected', answer(code))
    for (const [name] of hint.matchAll(/\b(?:IDP|CDF)_[A-Z_]+/g)) t.ok(name in VARIABLES, name)
  }
})
