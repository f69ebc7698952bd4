import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import t from 'tap'
import { httpAgent } from '../../src/http/agent.ts'
import { sendRequest } from '../../src/http/send-request.ts'
import { CERTIFICATE, freePort, startServer, startTlsServer } from '../support/local-server.ts'
import { skipWithout } from '../support/skip-without.ts'
import { until } from '../support/wait.ts'

/** A proxy of a Debian package: its configuration, and the arguments that run it in the foreground. */
interface RealProxy {
  versionFlag: string
  configuration: (port: number) => string
  args: (configurationFile: string) => string[]
}

const PROXIES: Record<string, RealProxy> = {
  tinyproxy: {
    versionFlag: '-v',
    configuration: (port) =>
      [`Port ${port}`, 'Listen 127.0.0.1', 'Timeout 60', 'BasicAuth user pass'].join('\n'),
    args: (file) => ['-d', '-c', file],
  },
  squid: {
    versionFlag: '-v',
    configuration: (port) =>
      [
        `http_port 127.0.0.1:${port}`,
        'http_access allow localhost',
        'pid_filename none',
        'access_log none',
        'cache_log /dev/null',
        'cache deny all',
        'shutdown_lifetime 0 seconds',
        '',
      ].join('\n'),
    args: (file) => ['-N', '-f', file],
  },
}

/** Starts a proxy and returns its host. It stops at the end of the test. */
async function start(t: Test, program: string, proxy: RealProxy): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'proxy-'))
  const file = join(folder, 'proxy.conf')
  const port = await freePort()
  await writeFile(file, proxy.configuration(port))
  const child = spawn(program, proxy.args(file), { stdio: 'ignore', cwd: folder })
  const ended = once(child, 'close')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
    await rm(folder, { recursive: true })
  })
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}`)
    return accepts(port)
  })
  return `127.0.0.1:${port}`
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.end())
    socket
      .on('error', () => resolve(false))
      .on('end', () => resolve(true))
      .resume()
  })
}

for (const [program, proxy] of Object.entries(PROXIES)) {
  const skip = await skipWithout(program, proxy.versionFlag)
  t.test(`sends http and https requests through ${program}`, { skip }, async (t) => {
    const host = await start(t, program, proxy)
    const url = `http://user:pass@${host}`
    const dispatcher = httpAgent({ ca: CERTIFICATE, proxies: { https: url, http: url } })
    t.teardown(() => dispatcher.destroy())
    const send = (target: string) =>
      sendRequest(target, { method: 'GET', headers: {}, timeoutMs: 10_000, dispatcher })
    for (const startTarget of [startServer, startTlsServer]) {
      const via: unknown[] = []
      const target = await startTarget(t, ({ headers }, response) => {
        via.push(headers.via)
        response.end('good')
      })
      t.equal((await send(`${target}/`)).body, 'good')
      t.equal((await send(`${target}/`)).body, 'good')
      const isForwarded = target.startsWith('http:')
      t.strictSame(via.map(Boolean), [isForwarded, isForwarded], 'the proxy adds via to http only')
    }
    // Nothing listens on this port.
    await t.rejects(send(`https://localhost:${await freePort()}/`), {
      name: 'ProxyError',
      message: /^proxy answered CONNECT with status 50[0-9]$/,
    })
  })
}

t.test(
  'names the refusal of tinyproxy without credentials',
  {
    skip: await skipWithout('tinyproxy', '-v'),
  },
  async (t) => {
    const host = await start(t, 'tinyproxy', PROXIES.tinyproxy as RealProxy)
    const url = `http://${host}`
    const dispatcher = httpAgent({ proxies: { https: url, http: url } })
    t.teardown(() => dispatcher.destroy())
    for (const [target, message] of [
      ['https://cdf.example/', 'proxy answered CONNECT with status 407'],
      ['http://cdf.example/', 'proxy answered with status 407'],
    ] as const) {
      const request = { method: 'GET', headers: {}, timeoutMs: 10_000, dispatcher } as const
      await t.rejects(sendRequest(target, request), { name: 'ProxyError', message })
    }
  },
)
