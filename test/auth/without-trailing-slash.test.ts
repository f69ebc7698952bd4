import t from 'tap'
import { withoutTrailingSlash } from '../../src/auth/without-trailing-slash.ts'

t.test('removes all slashes at the end', async (t) => {
  t.equal(withoutTrailingSlash('https://idp.example'), 'https://idp.example')
  t.equal(withoutTrailingSlash('https://idp.example/a//'), 'https://idp.example/a')
  t.equal(withoutTrailingSlash('///'), '')
  t.equal(withoutTrailingSlash(''), '')
})

t.test('takes linear time', async (t) => {
  // A regular expression would take minutes.
  const slashes = '/'.repeat(1_000_000)
  t.equal(withoutTrailingSlash(`a${slashes}`), 'a')
  t.equal(withoutTrailingSlash(`${slashes}a`), `${slashes}a`)
})
