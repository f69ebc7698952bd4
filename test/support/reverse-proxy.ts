import { spawn } from 'node:child_process'
import { open, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Test } from 'tap'
import { freePort } from './local-server.ts'
import { request } from './request.ts'
import { until } from './wait.ts'

/** A reverse proxy with an example configuration in `deploy/reverse-proxies/`. */
export interface ReverseProxy {
  name: string
  /** The program. */
  command: string
  /** The argument with which it prints its version. */
  versionArgument: string
  /** The file with the example. */
  file: string
  /** The arguments to run in the foreground with a configuration. */
  arguments: (folder: string, config: string) => string[]
  /** A complete configuration that contains the example. */
  complete: (example: string, folder: string, port: number) => string
}

const nginx: ReverseProxy = {
  name: 'nginx',
  command: 'nginx',
  versionArgument: '-v',
  file: 'nginx.conf',
  arguments: (folder, config) => ['-p', folder, '-c', config, '-e', 'stderr'],
  complete: (example, folder) => {
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((name) => `${name}_temp_path ${folder}/${name};`)
      .join('\n')
    return `daemon off; master_process off; pid ${folder}/pid; error_log stderr;
events {}
http {
  access_log off;
  ${temporary}
  gzip on; gzip_types *; gzip_min_length 0; gzip_proxied any;
  ${example}
}
`
  },
}

const APACHE_MODULES = [
  ...['mpm_event', 'authz_core', 'filter', 'deflate', 'headers', 'setenvif'],
  ...['proxy', 'proxy_http'],
]

const apache: ReverseProxy = {
  name: 'Apache',
  command: 'apache2',
  versionArgument: '-v',
  file: 'apache.conf',
  // -X: one process, which a signal ends.
  arguments: (folder, config) => ['-X', '-d', folder, '-f', config],
  complete: (example, folder, port) => `${APACHE_MODULES.map(
    (name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so\n`,
  ).join('')}
ServerName localhost
DefaultRuntimeDir ${folder}
PidFile ${folder}/pid
ErrorLog /dev/stderr
User #65534
Group #65534
Listen 127.0.0.1:${port}
SetOutputFilter DEFLATE
${example}
`,
}

/** HAProxy. */
export const haproxy: ReverseProxy = {
  name: 'HAProxy',
  command: 'haproxy',
  versionArgument: '-v',
  file: 'haproxy.cfg',
  arguments: (_folder, config) => ['-db', '-f', config],
  complete: (example) => example,
}

/** All of them. Their complete configurations compress everything. */
export const REVERSE_PROXIES: readonly ReverseProxy[] = [nginx, apache, haproxy]

/**
 * Starts a reverse proxy with its example configuration in front of the service. It stops at the end of the test.
 * @param servicePort the port of the service
 * @param more appended to the configuration
 * @returns the origin of the proxy
 */
export async function startReverseProxy(
  t: Test,
  proxy: ReverseProxy,
  servicePort: number,
  more = '',
): Promise<string> {
  const port = await freePort()
  const folder = t.testdir({})
  const path = resolve(import.meta.dirname, '../../deploy/reverse-proxies', proxy.file)
  const example = (await readFile(path, 'utf8'))
    .replaceAll('127.0.0.1:3000', `127.0.0.1:${servicePort}`)
    .replaceAll('*:8080', `127.0.0.1:${port}`)
  const config = join(folder, proxy.file)
  await writeFile(config, proxy.complete(example, folder, port) + more)

  const outputFile = join(folder, 'output')
  const output = await open(outputFile, 'w')
  // Apache cannot open a pipe as its error log.
  const child = spawn(proxy.command, proxy.arguments(folder, config), {
    stdio: ['ignore', output.fd, output.fd],
  })
  t.teardown(async () => {
    child.kill('SIGKILL')
    await output.close()
  })
  const origin = `http://127.0.0.1:${port}`
  await until(async () => {
    if (child.exitCode !== null)
      throw new Error(`${proxy.name} has ended: ${await readFile(outputFile, 'utf8')}`)
    return request(`${origin}/health/live`).then(
      ({ status }) => status === 200,
      () => false,
    )
  })
  return origin
}
