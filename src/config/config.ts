import type {
  AuthorizationServer,
  ClientAuthentication,
} from '../auth/service/client-credentials.ts'
import { withoutTrailingSlash } from '../auth/without-trailing-slash.ts'
import { readCredential } from '../credentials/credential-file.ts'
import { CLIENT_SECRET_FILE } from '../credentials/secret-file.ts'
import { SIGNING_KEY_FILE } from '../credentials/signing-key-file.ts'
import type { Proxies } from '../http/proxy.ts'
import type { Environment } from './environment.ts'
import { ConfigError, loadEnvironment } from './load-environment.ts'
import { redisConfig } from './redis-config.ts'
import { splitList } from './syntax.ts'

/** The configuration of the service, deeply frozen. Logging it shows no secret, because only a function returns one. */
export type Config = ReturnType<typeof toConfig>

/**
 * Loads the configuration from environment variables.
 * @throws ConfigError with all issues
 */
export function loadConfig(variables: Readonly<Record<string, string | undefined>>): Config {
  return toConfig(loadEnvironment(variables))
}

/** `EX_CONFIG` of sysexits.h. */
const EXIT_CONFIG = 78

/** Loads the configuration, or writes all issues to the standard error and ends the process with 78. */
export function loadConfigOrExit(variables: Readonly<Record<string, string | undefined>>): Config {
  try {
    return loadConfig(variables)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const issues = error.issues.map((issue) => `- ${issue}\n`)
    process.stderr.write(`${error.message}\n${issues.join('')}`)
    process.exit(EXIT_CONFIG)
  }
}

function toConfig(environment: Environment) {
  const baseUrl = withoutTrailingSlash(
    environment.CDF_URL ?? `https://${environment.CDF_CLUSTER}.cognitedata.com`,
  )
  const insecureHttpHosts = splitList(environment.INSECURE_HTTP_HOSTS)
  const scopes = environment.IDP_SCOPES ?? (environment.IDP_TENANT_ID ? `${baseUrl}/.default` : '')
  return deepFreeze({
    outbound: {
      insecureHttpHosts,
      proxies: (): Proxies => ({
        https: environment.HTTPS_PROXY,
        http: environment.HTTP_PROXY,
        exceptions: environment.NO_PROXY,
      }),
    },
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
      insecureHttpHosts,
    },
    auth: {
      jwt:
        environment.AUTH_MODE === 'jwt'
          ? {
              issuer: withoutDiscoveryPath(environment.AUTH_ISSUER as string),
              audiences: splitList(environment.AUTH_AUDIENCE),
              audienceClaim: environment.AUTH_AUDIENCE_CLAIM,
              jwksUrl: environment.AUTH_JWKS_URL,
              timeoutMs: environment.IDP_TIMEOUT_MS,
              insecureHttpHosts,
            }
          : undefined,
      requiredScope: environment.AUTH_REQUIRED_SCOPE,
    },
    watches: {
      maxStreams: environment.CALLER_MAX_STREAMS,
      maxWatchedJobs: environment.CALLER_MAX_WATCHED_JOBS,
    },
    rateLimit: { perMinute: environment.RATE_LIMIT_PER_MINUTE },
    cors: {
      origins: splitList(environment.CORS_ORIGINS),
      allowHeaders: splitList(environment.CORS_ALLOW_HEADERS),
    },
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
      keepAliveTimeoutMs: environment.KEEP_ALIVE_TIMEOUT_MS,
      trustProxy: trustProxy(environment.TRUST_PROXY),
      loopbackHostOnly: environment.AUTH_MODE === 'none' && !environment.AUTH_ALLOW_ANONYMOUS,
    },
    docs: { enabled: environment.DOCS_ENABLED, oauth: docsOauth(environment) },
    jobs: {
      maxEntries: environment.JOB_CACHE_MAX_ENTRIES,
      ttlMs: environment.JOB_CACHE_TTL_SECONDS * 1000,
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
    redis: redisConfig(environment),
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
  const timeoutMs = environment.IDP_TIMEOUT_MS
  const insecureHttpHosts = splitList(environment.INSECURE_HTTP_HOSTS)
  return { issuer: withoutDiscoveryPath(issuer), clientId, scopes, timeoutMs, insecureHttpHosts }
}

/** A token URL comes first, because configurations of the CDF Toolkit often have a tenant id too. */
function authorizationServer(environment: Environment): AuthorizationServer {
  if (environment.IDP_TOKEN_URL) return { tokenUrl: new URL(environment.IDP_TOKEN_URL) }
  if (environment.IDP_DISCOVERY_URL) {
    return { issuer: new URL(withoutDiscoveryPath(environment.IDP_DISCOVERY_URL)) }
  }
  return {
    tokenUrl: new URL(
      `https://login.microsoftonline.com/${environment.IDP_TENANT_ID}/oauth2/v2.0/token`,
    ),
  }
}

/** An issuer may be configured as the URL of its discovery document. */
function withoutDiscoveryPath(issuer: string): string {
  return issuer.replace(/\/\.well-known\/openid-configuration\/?$/, '')
}

function clientAuthentication(environment: Environment): ClientAuthentication {
  const { IDP_CLIENT_AUTH_METHOD: method, IDP_CLIENT_SECRET: secret = '' } = environment
  if (method === 'private_key_jwt') {
    const keyFile = environment.IDP_CLIENT_KEY_FILE as string
    return { method, readKey: () => readCredential(SIGNING_KEY_FILE, keyFile) }
  }
  const secretFile = environment.IDP_CLIENT_SECRET_FILE
  return {
    method,
    readSecret: async () => (secretFile ? readCredential(CLIENT_SECRET_FILE, secretFile) : secret),
  }
}

function deepFreeze<T extends object>(value: T): Readonly<T> {
  for (const member of Object.values(value)) {
    if (typeof member === 'object' && member !== null && !(member instanceof URL))
      deepFreeze(member)
  }
  return Object.freeze(value)
}
