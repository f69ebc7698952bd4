import t from 'tap'
import { isLoopback } from '../../src/http/loopback.ts'

t.test('recognizes localhost and loopback addresses', async (t) => {
  for (const host of ['localhost', 'LOCALHOST', '127.0.0.1', '127.255.0.1', '::1', '[::1]'])
    t.equal(isLoopback(host), true, host)
  for (const host of [
    '0.0.0.0',
    '::',
    '10.0.0.1',
    '128.0.0.1',
    'localhost.example',
    '127.0.0.1.example',
    '',
  ]) {
    t.equal(isLoopback(host), false, host)
  }
})
