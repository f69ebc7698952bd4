import t from 'tap'
import { isHostname, isSecureUrl } from '../../src/http/secure-url.ts'

const urls: [url: string, isSecure: boolean][] = [
  ['https://idp.example/token', true],
  ['http://localhost:8080/token', true],
  ['http://[::1]:8080/token', true],
  ['http://keycloak:8080/token', true],
  ['http://KEYCLOAK/token', true],
  ['http://10.0.0.1/token', true],
  ['http://[fd00::1]/token', true],
  ['http://other/token', false],
  ['http://keycloak.example/token', false],
  ['http://idp.keycloak/token', false],
  ['http://keycloak@other/token', false],
  ['http://other/keycloak', false],
  ['ftp://keycloak/token', false],
  ['keycloak', false],
]
for (const [url, isSecure] of urls) {
  t.test(`${isSecure ? 'allows' : 'does not allow'} secrets to ${url}`, async (t) => {
    t.equal(isSecureUrl(url, ['keycloak', '10.0.0.1', '[fd00::1]']), isSecure)
  })
}

t.test('recognizes host names and IP addresses in the form of a URL', async (t) => {
  for (const host of ['keycloak', 'keycloak.idp.svc.cluster.local', '10.0.0.1', '[fd00::1]', 'a_b'])
    t.equal(isHostname(host), true, host)
  for (const host of [
    '',
    'http://keycloak',
    'keycloak:8080',
    'keycloak/path',
    'user@keycloak',
    'keycloak?',
    'keycloak#',
    '*',
    '*.example',
    'Keycloak',
    'fd00::1',
    '010.0.0.1',
    'a b',
  ]) {
    t.equal(isHostname(host), false, host)
  }
})
