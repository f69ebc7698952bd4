import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { openSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Simulator } from '../simulator/start-simulator.ts'
import { freePort } from '../test/helper.ts'
import { has, onCore } from './load.ts'
import { nginxConfig, varnishConfig } from './proxy-configs.ts'
import { jobIds } from './servers/ready-job.ts'

/** A server under load. */
export interface Contestant {
  name: ContestantName
  origin: string
}

/** Whom there may be; nginx and Varnish where they are installed. */
export const CONTESTANTS = [
  'node:http',
  'node:http, Buffer',
  'service',
  'ordinary Fastify',
  '@fastify/http-proxy',
  'nginx',
  'Varnish',
] as const
/** One of them, or what stands behind all of them. */
export type ContestantName = (typeof CONTESTANTS)[number] | 'direct'

/** High enough not to bite, and counted all the same. */
const RATE_LIMIT_PER_MINUTE = '1000000000'
const FRONT_END = 'https://front-end.example'

/** Starts programs for the bench; `end` ends all of them. */
export class Stage {
  readonly #children: ChildProcess[] = []
  readonly #folder: string
  readonly #simulator: Simulator

  constructor(folder: string, simulator: Simulator) {
    this.#folder = folder
    this.#simulator = simulator
  }

  /** What stands in for CDF, on the core of the load. */
  async upstream(): Promise<string> {
    const port = await freePort()
    this.#node('servers/upstream.ts', 1, { PORT: `${port}` })
    return this.#answering(`http://127.0.0.1:${port}`, '/jobs/1')
  }

  /** All that can be had here, each on the core of servers, and each done once it answers. */
  async contestants(upstreamUrl: string): Promise<Contestant[]> {
    const { cdf, issuer, environment } = this.#simulator
    const upstreamPath = `/api/v1/projects/${cdf.project}/advancedjoins/estimatequality`
    const forward = { UPSTREAM_URL: upstreamUrl, UPSTREAM_PATH: upstreamPath }
    type Start = (port: number) => Promise<void> | void
    const start: Record<(typeof CONTESTANTS)[number], Start> = {
      'node:http': (port) => this.#node('servers/bare-node.ts', 0, { PORT: `${port}` }),
      'node:http, Buffer': (port) =>
        this.#node('servers/bare-node.ts', 0, { PORT: `${port}`, BODY: 'buffer' }),
      // As in production: everything on, and the access log in a file.
      service: async (port) =>
        this.#node('../src/server.ts', 0, {
          ...environment,
          CDF_URL: upstreamUrl,
          PORT: `${port}`,
          METRICS_PORT: `${await freePort()}`,
          RATE_LIMIT_PER_MINUTE,
          CORS_ORIGINS: FRONT_END,
        }),
      'ordinary Fastify': (port) =>
        this.#node('servers/ordinary-fastify.ts', 0, {
          ...forward,
          PORT: `${port}`,
          ISSUER: issuer,
          AUDIENCE: environment.AUTH_AUDIENCE ?? '',
          ORIGIN: FRONT_END,
        }),
      '@fastify/http-proxy': (port) =>
        this.#node('servers/http-proxy.ts', 0, { ...forward, PORT: `${port}` }),
      nginx: async (port) => {
        if (!has('nginx')) return
        const config = nginxConfig({ port, folder: this.#folder, upstreamUrl, upstreamPath })
        await writeFile(join(this.#folder, 'nginx.conf'), config)
        this.#spawn('nginx', 0, ['nginx', '-p', this.#folder, '-c', 'nginx.conf'], {})
      },
      Varnish: async (port) => {
        if (!has('varnishd')) return
        const vcl = join(this.#folder, 'bench.vcl')
        await writeFile(vcl, varnishConfig({ upstreamUrl, upstreamPath }))
        const state = join(this.#folder, 'varnish')
        await mkdir(state)
        this.#spawn('varnish', 0, [
          ...['varnishd', '-F', '-n', state, '-f', vcl, '-a', `127.0.0.1:${port}`],
          ...['-s', 'malloc,128m', '-p', 'thread_pools=1'],
        ])
      },
    }
    const contestants: Contestant[] = [{ name: 'direct', origin: upstreamUrl }]
    for (const name of CONTESTANTS) {
      const port = await freePort()
      const before = this.#children.length
      await start[name](port)
      if (this.#children.length === before) continue
      process.stderr.write(`starting ${name}\n`)
      contestants.push({ name, origin: await this.#answering(`http://127.0.0.1:${port}`) })
    }
    return contestants
  }

  end(): void {
    for (const child of this.#children) child.kill()
  }

  async #answering(origin: string, path = `/jobs/${jobIds[0]}/quality`): Promise<string> {
    const authorization = `Bearer ${await this.#simulator.identityProvider.signCallerToken()}`
    for (let tries = 0; tries < 200; tries += 1) {
      const status = await fetch(origin + path, { headers: { authorization } }).then(
        (answer) => answer.status,
        () => 0,
      )
      if (status === 200) return origin
      await sleep(50)
    }
    throw new Error(`${origin} does not answer`)
  }

  #node(file: string, core: 0 | 1, environment: Record<string, string>): void {
    const path = new URL(file, import.meta.url).pathname
    this.#spawn(file, core, [process.execPath, path], environment)
  }

  #spawn(
    name: string,
    core: 0 | 1,
    command: string[],
    environment: Record<string, string | undefined> = {},
  ): void {
    const log = openSync(join(this.#folder, `${name.replaceAll('/', '-')}.log`), 'a')
    const [program = '', ...args] = [...onCore(core), ...command]
    const { PATH } = process.env
    const env = { PATH, ...environment }
    this.#children.push(spawn(program, args, { env, stdio: ['ignore', log, log] }))
  }
}
