import { readFile } from 'node:fs/promises'
import type {
  AuthorizationServer,
  ClientAuthentication,
} from '../auth/service/client-credentials.ts'
import { withoutTrailingSlash } from '../auth/without-trailing-slash.ts'
import type { Environment } from './environment.ts'
import { loadEnvironment } from './load-environment.ts'
import { splitList } from './variable.ts'

/** The configuration of the service, deeply frozen. Logging it shows no secret, because only a function returns one. */
export type Config = ReturnType<typeof toConfig>

/**
 * Loads the configuration from environment variables.
 * @throws ConfigError with all issues
 */
export function loadConfig(variables: Readonly<Record<string, string | undefined>>): Config {
  return toConfig(loadEnvironment(variables))
}

function toConfig(environment: Environment) {
  const baseUrl = withoutTrailingSlash(
    environment.CDF_URL ?? `https://${environment.CDF_CLUSTER}.cognitedata.com`,
  )
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
      scope: splitList(scopes).join(' ') || undefined,
      audience: environment.IDP_AUDIENCE,
      timeoutMs: environment.IDP_TIMEOUT_MS,
    },
    auth: {
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
    watches: {
      maxStreams: environment.CALLER_MAX_STREAMS,
      maxWatchedJobs: environment.CALLER_MAX_WATCHED_JOBS,
    },
    rateLimit: { perMinute: environment.RATE_LIMIT_PER_MINUTE },
    cors: { origins: splitList(environment.CORS_ORIGINS) },
    publicUrl: environment.PUBLIC_URL
      ? withoutTrailingSlash(new URL(environment.PUBLIC_URL).href)
      : undefined,
    listen: { host: environment.HOST, port: environment.PORT },
    metrics: {
      listen: environment.METRICS_PORT
        ? { host: environment.HOST, port: environment.METRICS_PORT }
        : undefined,
    },
    server: {
      logLevel: environment.LOG_LEVEL,
      trustProxy: trustProxy(environment.TRUST_PROXY),
      loopbackHostOnly: environment.AUTH_MODE === 'none' && !environment.AUTH_ALLOW_ANONYMOUS,
    },
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
    polling: { pollsPerSecond: environment.UPSTREAM_POLLS_PER_SECOND },
    shutdown: { graceMs: environment.SHUTDOWN_GRACE_MS, delayMs: environment.SHUTDOWN_DELAY_MS },
  })
}

/**
 * The `trustProxy` option of Fastify. A number needs a function: Fastify ignores it, because clients that bypass the
 * proxies can spoof their address. An operator who sets a number must prevent that.
 */
function trustProxy(value: string): false | string[] | ((address: string, hop: number) => boolean) {
  if (value === 'false') return false
  return /^\d+$/.test(value) ? (_address, hop) => hop < Number(value) : splitList(value)
}

/** For the Authorize button of Swagger UI; `undefined` without a client id. */
function docsOauth(environment: Environment) {
  const { AUTH_ISSUER: issuer, DOCS_OAUTH_CLIENT_ID: clientId } = environment
  if (!issuer || !clientId) return undefined
  const scopes = splitList(environment.DOCS_OAUTH_SCOPES)
  return { issuer, clientId, scopes, timeoutMs: environment.IDP_TIMEOUT_MS }
}

/** A token URL comes first, because configurations of the CDF Toolkit often have a tenant id too. */
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
