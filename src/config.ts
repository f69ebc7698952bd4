import { readFile } from 'node:fs/promises'
import type { AuthorizationServer, ClientAuthentication } from './auth/client-credentials.ts'
import type { Environment } from './environment.ts'
import { loadEnvironment } from './load-environment.ts'
import { wordsOf } from './variable.ts'

/** What the service runs with; frozen. It holds no secret: `authentication` reads one when it is needed. */
export type Config = ReturnType<typeof toConfig>

/**
 * The configuration that the environment asks for.
 * @throws ConfigError with every mistake at once
 */
export function loadConfig(variables: Readonly<Record<string, string | undefined>>): Config {
  return toConfig(loadEnvironment(variables))
}

function toConfig(environment: Environment) {
  const baseUrl = (
    environment.CDF_URL ?? `https://${environment.CDF_CLUSTER}.cognitedata.com`
  ).replace(/\/+$/, '')
  const scopes = environment.IDP_SCOPES ?? (environment.IDP_TENANT_ID ? `${baseUrl}/.default` : '')
  return deepFreeze({
    cdf: {
      baseUrl,
      project: environment.CDF_PROJECT as string,
      version: environment.CDF_VERSION === 'none' ? undefined : environment.CDF_VERSION,
    },
    identityProvider: {
      server: authorizationServer(environment),
      clientId: environment.IDP_CLIENT_ID as string,
      authentication: clientAuthentication(environment),
      scope: wordsOf(scopes).join(' ') || undefined,
      audience: environment.IDP_AUDIENCE,
      timeoutMs: environment.IDP_TIMEOUT_MS,
    },
    door: {
      jwt:
        environment.AUTH_MODE === 'jwt'
          ? {
              issuer: environment.AUTH_ISSUER as string,
              audience: environment.AUTH_AUDIENCE as string,
              jwksUrl: environment.AUTH_JWKS_URL,
              timeoutMs: environment.IDP_TIMEOUT_MS,
            }
          : undefined,
      requiredScope: environment.AUTH_REQUIRED_SCOPE,
    },
    streams: { maxStreamsPerCaller: environment.CALLER_MAX_STREAMS },
    rateLimit: { perMinute: environment.RATE_LIMIT_PER_MINUTE },
    cors: { origins: wordsOf(environment.CORS_ORIGINS) },
    listen: { host: environment.HOST, port: environment.PORT },
    metrics: {
      listen: environment.METRICS_PORT
        ? { host: environment.HOST, port: environment.METRICS_PORT }
        : undefined,
    },
    server: { logLevel: environment.LOG_LEVEL, trustProxy: trustProxy(environment.TRUST_PROXY) },
    docs: { enabled: environment.DOCS_ENABLED, oauth: docsOauth(environment) },
    jobs: {
      cacheMaxEntries: environment.JOB_CACHE_MAX_ENTRIES,
      cacheTtlMs: environment.JOB_CACHE_TTL_SECONDS * 1000,
      statusFreshMs: environment.JOB_STATUS_FRESH_MS,
      notFoundTtlMs: environment.JOB_NOT_FOUND_TTL_MS,
      staleIfErrorMs: environment.JOB_STALE_IF_ERROR_SECONDS * 1000,
    },
    upstream: {
      attemptTimeoutMs: environment.UPSTREAM_ATTEMPT_TIMEOUT_MS,
      deadlineMs: environment.UPSTREAM_DEADLINE_MS,
      maxAttempts: environment.UPSTREAM_MAX_ATTEMPTS,
      maxConcurrency: environment.UPSTREAM_MAX_CONCURRENCY,
      maxQueue: environment.UPSTREAM_MAX_QUEUE,
    },
    shutdown: { graceMs: environment.SHUTDOWN_GRACE_MS, delayMs: environment.SHUTDOWN_DELAY_MS },
  })
}

/** As Fastify takes it: nobody, so many proxies in front, or their addresses and networks. */
function trustProxy(value: string): false | string[] | ((address: string, hop: number) => boolean) {
  if (value === 'false') return false
  // Fastify takes a bare number for nobody.
  return /^\d+$/.test(value) ? (_address, hop) => hop < Number(value) : wordsOf(value)
}

/** What the Authorize button of Swagger UI needs; nothing where it has no client. */
function docsOauth(environment: Environment) {
  const { AUTH_ISSUER: issuer, DOCS_OAUTH_CLIENT_ID: clientId } = environment
  if (!issuer || !clientId) return undefined
  const scopes = wordsOf(environment.DOCS_OAUTH_SCOPES)
  return { issuer, clientId, scopes, timeoutMs: environment.IDP_TIMEOUT_MS }
}

/** The most exact one wins, since the files of the CDF toolkit often name a tenant beside a token URL. */
function authorizationServer(environment: Environment): AuthorizationServer {
  if (environment.IDP_TOKEN_URL) return { tokenUrl: new URL(environment.IDP_TOKEN_URL) }
  if (environment.IDP_DISCOVERY_URL) {
    return {
      issuer: new URL(
        environment.IDP_DISCOVERY_URL.replace(/\/\.well-known\/openid-configuration\/?$/, ''),
      ),
    }
  }
  return {
    tokenUrl: new URL(
      `https://login.microsoftonline.com/${environment.IDP_TENANT_ID}/oauth2/v2.0/token`,
    ),
  }
}

function clientAuthentication(environment: Environment): ClientAuthentication {
  const { IDP_CLIENT_AUTH_METHOD: method, IDP_CLIENT_SECRET: secret = '' } = environment
  if (method === 'private_key_jwt') {
    const keyFile = environment.IDP_CLIENT_KEY_FILE as string
    return { method, readKey: () => readFile(keyFile, 'utf8') }
  }
  const secretFile = environment.IDP_CLIENT_SECRET_FILE
  return {
    method,
    readSecret: async () => (secretFile ? (await readFile(secretFile, 'utf8')).trim() : secret),
  }
}

function deepFreeze<T extends object>(value: T): Readonly<T> {
  for (const member of Object.values(value)) {
    if (typeof member === 'object' && member !== null && !(member instanceof URL))
      deepFreeze(member)
  }
  return Object.freeze(value)
}
