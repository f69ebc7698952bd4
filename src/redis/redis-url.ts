/** The parts of a Redis URL. */
export interface RedisUrl {
  nodes: { host: string; port: number }[]
  tls: boolean
  username: string | undefined
  password: string | undefined
  database: number
}

const REDIS_URL = /^(rediss?):\/\/(?:([^@/:,]*)(?::([^@/]*))?@)?([^@?#]+?)(?:\/(\d{0,5}))?$/
const DEFAULT_PORT = 6379
const NODE = /^([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?$/

/**
 * Parses a URL of Redis, with further nodes after commas: `redis://user:password@a:6379,b:6379/0`.
 * @returns `undefined` if it is invalid
 * @see https://www.iana.org/assignments/uri-schemes/prov/redis
 */
export function parseRedisUrl(text: string): RedisUrl | undefined {
  const [, scheme = '', username, password, hosts = '', database] = REDIS_URL.exec(text) ?? []
  const nodes = hosts.split(`,${scheme}://`).join(',').split(',').map(parseRedisNode)
  if (nodes.some((node) => node === undefined)) return undefined
  try {
    return {
      nodes: nodes.filter((node) => node !== undefined),
      tls: scheme === 'rediss',
      username: decodeURIComponent(username ?? '') || undefined,
      password: decodeURIComponent(password ?? '') || undefined,
      database: Number(database || 0),
    }
  } catch {
    return undefined
  }
}

/** Parses `host:port` or `host`, with an IPv6 address in brackets; `undefined` if it is invalid. */
export function parseRedisNode(text: string): { host: string; port: number } | undefined {
  const [, name, port] = NODE.exec(text) ?? []
  const number = Number(port ?? DEFAULT_PORT)
  if (name === undefined || number < 1 || number > 65_535) return undefined
  return { host: name.replace(/^\[(.*)\]$/, '$1'), port: number }
}
