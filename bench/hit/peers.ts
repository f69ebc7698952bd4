import type { ChildProcess } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { get } from 'node:http'
import { join } from 'node:path'
import type { Simulator } from '../../simulator/upstream/start-simulator.ts'
import { freePort } from '../../test/support/local-server.ts'
import type { RecordedResponse, RecordedResponses } from '../servers/bare-node.ts'
import { jobIds, pathOf } from '../servers/completed-job.ts'
import { nginxConfig } from '../servers/nginx.ts'
import { isInstalled, startPinned, untilStatus } from '../support/processes.ts'

/** A server under load. */
export interface Peer {
  name: string
  origin: string
  child: ChildProcess
  /** Its access log, if it has one. */
  logFile: string | undefined
}

/** Options of {@link startPeers}. */
export interface PeerOptions {
  simulator: Simulator
  /** For logs and caches. */
  folder: string
  /** Checkouts of the service by the name of the peer; the first one is recorded for bare Node and nginx. */
  checkouts: Record<string, string>
}

/** Paths of the cached jobs. */
export const paths = jobIds.map(pathOf)
const FRONT_END = 'https://front-end.example'

/** Starts CDF and all peers. All jobs are cached when it resolves. The peers end with `children`. */
export async function startPeers(
  { simulator, folder, checkouts }: PeerOptions,
  children: ChildProcess[],
): Promise<Peer[]> {
  const { environment, issuer, identityProvider, cdf } = simulator
  const headers = { authorization: `Bearer ${await identityProvider.signCallerToken()}` }
  const services: Peer[] = []

  async function start(
    name: string,
    command: string[],
    own: Record<string, string>,
    port?: number,
    accessLog?: string,
  ): Promise<Peer> {
    const chosenPort = port ?? (await freePort())
    const outputFile = join(folder, `${name}.log`)
    const child = startPinned(command, {
      core: name === 'CDF' ? 1 : 0,
      environment: { NODE_ENV: 'production', PORT: `${chosenPort}`, ...own },
      logFile: outputFile,
    })
    children.push(child)
    const origin = `http://127.0.0.1:${chosenPort}`
    await untilStatus(origin + paths[0], 200, headers).catch((cause: unknown) => {
      throw new Error(`${name} does not start`, { cause })
    })
    return { name, origin, child, logFile: accessLog ?? outputFile }
  }
  const server = (file: string) => [process.execPath, join(import.meta.dirname, '../servers', file)]

  const { origin: cdfUrl } = await start('CDF', server('cdf.ts'), {})
  for (const [name, checkout] of Object.entries(checkouts)) {
    const own = {
      ...environment,
      CDF_URL: cdfUrl,
      METRICS_PORT: `${await freePort()}`,
      // High enough to let every request pass, but still counted.
      RATE_LIMIT_PER_MINUTE: '1000000000',
      CORS_ORIGINS: FRONT_END,
    }
    services.push(await start(name, [process.execPath, join(checkout, 'src/server.ts')], own))
  }

  const responsesFile = join(folder, 'responses.json')
  const [service] = services
  if (!service) throw new Error('no service to record')
  await writeFile(responsesFile, JSON.stringify(await record(service, headers)))
  // Baseline, service and nginx run one after the other, because their ratios have goals.
  const peers = services.toReversed()
  const bare = await start('bare node:http', server('bare-node.ts'), {
    RESPONSES_FILE: responsesFile,
  })
  if (isInstalled('nginx')) {
    const port = await freePort()
    const config = nginxConfig({ port, folder, origin: new URL(bare.origin).host })
    await writeFile(join(folder, 'nginx.conf'), config)
    const command = ['nginx', '-p', folder, '-c', 'nginx.conf']
    peers.push(await start('nginx', command, {}, port, join(folder, 'nginx-access.log')))
  }

  peers.push({ ...bare, logFile: undefined })

  const ordinary = {
    ISSUER: issuer,
    AUDIENCE: environment.AUTH_AUDIENCE ?? '',
    ORIGIN: FRONT_END,
    UPSTREAM_URL: cdfUrl,
    UPSTREAM_PATH: `/api/v1/projects/${cdf.project}/advancedjoins/estimatequality`,
  }
  peers.push(await start('ordinary Fastify', server('ordinary-fastify.ts'), ordinary))
  return peers
}

/** Records the cached responses of the service, with and without `If-None-Match`. */
async function record(
  { origin }: Peer,
  headers: Record<string, string>,
): Promise<RecordedResponses> {
  const responses: RecordedResponses = {}
  for (const path of paths) {
    // The first response is a miss.
    await read(origin + path, headers)
    const ok = await read(origin + path, headers)
    const notModified = await read(origin + path, { ...headers, 'if-none-match': ok.etag })
    responses[path] = { etag: ok.etag, ok, notModified }
  }
  return responses
}

/** Headers that Node and nginx set themselves. */
const CONNECTION_HEADERS = ['date', 'connection', 'keep-alive']

/** One GET. */
export function read(
  url: string,
  headers: Record<string, string>,
): Promise<RecordedResponse & { status: number | undefined; etag: string }> {
  return new Promise((resolve, reject) => {
    const request = get(url, { headers }, async (response) => {
      const pairs = response.rawHeaders.flatMap((name, index, all) =>
        index % 2 === 0 && !CONNECTION_HEADERS.includes(name.toLowerCase())
          ? [name, all[index + 1] ?? '']
          : [],
      )
      let body = ''
      for await (const text of response.setEncoding('utf8')) body += text
      const { statusCode: status, headers } = response
      resolve({ status, etag: headers.etag ?? '', headers: pairs, body })
    })
    request.once('error', reject)
  })
}
