import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Test } from 'tap'
import t from 'tap'
import { listenFailure } from '../../src/http/listen-failure.ts'

const withCode = (code: string) => Object.assign(new Error('text'), { code })

/** The error of a server that cannot listen. */
async function errorOf(t: Test, host: string, port = 0): Promise<unknown> {
  const server = createServer()
  t.teardown(() => server.close())
  const listening = once(server, 'listening')
  server.listen(port, host)
  return listening.catch((error: unknown) => error)
}

t.test('names the variable of a port that is in use', async (t) => {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const error = await errorOf(t, '127.0.0.1', port)
  t.equal(listenFailure(error, 'PORT'), 'PORT is in use by another process (EADDRINUSE)')
  t.equal(
    listenFailure(error, 'METRICS_PORT'),
    'METRICS_PORT is in use by another process (EADDRINUSE)',
  )
})

t.test('names HOST if it is not an address of this machine', async (t) => {
  t.equal(
    listenFailure(await errorOf(t, '203.0.113.1'), 'PORT'),
    'HOST is not an address of this machine (EADDRNOTAVAIL)',
  )
})

t.test('names HOST if it is an unknown name', async (t) => {
  for (const code of ['ENOTFOUND', 'EAI_AGAIN'])
    t.match(listenFailure(withCode(code), 'PORT'), 'HOST is not a name that can be resolved')
})

t.test('names the variable of a port that the user may not use', async (t) => {
  t.match(
    listenFailure(withCode('EACCES'), 'METRICS_PORT'),
    'METRICS_PORT is not allowed for this user',
  )
})

t.test('does not know other errors', async (t) => {
  for (const error of [new Error('x'), withCode('toString'), 'x'])
    t.equal(listenFailure(error, 'PORT'), undefined)
})
