import { CLIENT_SECRET_FILE, REDIS_PASSWORD_FILE, secretFault } from '../credentials/secret-file.ts'
import { SIGNING_KEY_FILE } from '../credentials/signing-key-file.ts'
import { parseRedisUrl } from '../redis/redis-url.ts'
import { isAbsoluteUri, isHeaderName, isListOf, isNetwork, isOrigin, SCOPE } from './syntax.ts'
import type { Variable } from './variable.ts'
import {
  baseUrl,
  choice,
  credentialFile,
  flag,
  hosts,
  integer,
  proxyUrl,
  publicUrl,
  scopes,
  text,
  url,
} from './variable.ts'

const AUDIENCE = /^[\x21-\x7e]{1,1024}$/

/** All environment variables of the service. `load-environment.ts` checks which of them are required. */
export const VARIABLES = {
  CDF_PROJECT: text(
    /^(?=.*[A-Za-z])[A-Za-z0-9][A-Za-z0-9-]{1,30}[A-Za-z0-9]$/,
    'the URL name of a CDF project: 3–32 letters, digits and hyphens, at least one letter, no hyphen at either end',
  ),
  CDF_CLUSTER: text(
    /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/,
    'a CDF cluster such as westeurope-1',
  ),
  CDF_URL: baseUrl(),
  CDF_VERSION: text(
    /^[A-Za-z0-9.-]{1,32}$/,
    'a cdf-version such as alpha, beta or 20230101-alpha, or none',
    'alpha',
  ),
  IDP_CLIENT_ID: text(/^[\x20-\x7e]{1,255}$/, 'a client id: 1–255 printable ASCII characters'),
  IDP_CLIENT_SECRET: text(
    (secret) => secretFault(secret) === undefined,
    'a client secret: 1–1024 characters without control characters, without quotes around it and without a variable name before it',
  ),
  IDP_CLIENT_SECRET_FILE: credentialFile(
    CLIENT_SECRET_FILE,
    'the path of a readable file with the client secret',
  ),
  IDP_CLIENT_KEY_FILE: credentialFile(
    SIGNING_KEY_FILE,
    'the path of a readable PEM file with an unencrypted RSA, EC or Ed25519 private key',
  ),
  IDP_CLIENT_AUTH_METHOD: choice(
    ['client_secret_post', 'client_secret_basic', 'private_key_jwt'],
    'client_secret_post',
  ),
  IDP_TOKEN_URL: url({ query: true }),
  IDP_TENANT_ID: text(
    /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/,
    'an Entra ID tenant: a GUID or a domain',
  ),
  IDP_DISCOVERY_URL: url(),
  IDP_SCOPES: scopes(),
  IDP_AUDIENCE: text(AUDIENCE, 'an audience without spaces'),
  IDP_TIMEOUT_MS: integer(5_000, 1, 60_000),
  AUTH_MODE: choice(['jwt', 'none'], 'jwt'),
  AUTH_ALLOW_ANONYMOUS: flag(false),
  AUTH_ISSUER: text(
    isAbsoluteUri,
    'a URL with https:, without query, fragment and credentials; with AUTH_JWKS_URL, any absolute URI',
  ),
  AUTH_AUDIENCE: text(
    (value) => isListOf((item) => AUDIENCE.test(item), value),
    'audiences, separated by commas or spaces',
  ),
  AUTH_AUDIENCE_CLAIM: choice(['aud', 'client_id'], 'aud'),
  AUTH_JWKS_URL: url({ query: true }),
  AUTH_REQUIRED_SCOPE: text(new RegExp(`^${SCOPE}{1,255}$`), 'one scope'),
  INSECURE_HTTP_HOSTS: hosts(),
  HTTPS_PROXY: proxyUrl(),
  HTTP_PROXY: proxyUrl(),
  NO_PROXY: text(/^[\x20-\x7e]{1,8192}$/, 'hosts, separated by commas, or *'),
  HOST: text(/^[A-Za-z0-9.:-]{1,255}$/, 'an IP address or host name to listen on', '127.0.0.1'),
  PUBLIC_URL: publicUrl(),
  PORT: integer(3000, 0, 65_535),
  METRICS_PORT: integer(9464, 0, 65_535),
  KEEP_ALIVE_TIMEOUT_MS: integer(72_000, 1_000, 3_600_000),
  LOG_LEVEL: choice(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], 'info'),
  CORS_ORIGINS: text(
    (value) => value === '*' || isListOf(isOrigin, value),
    'exact origins such as https://app.example, separated by commas, or *',
  ),
  CORS_ALLOW_HEADERS: text(
    (value) => isListOf(isHeaderName, value),
    'names of request headers such as X-Client-Version, separated by commas',
  ),
  TRUST_PROXY: text(
    (value) => /^(false|\d{1,2})$/.test(value) || isListOf(isNetwork, value),
    'false, the number of proxies in front of the service, or their addresses or networks, separated by commas',
    'false',
  ),
  RATE_LIMIT_PER_MINUTE: integer(600, 0, 1_000_000_000),
  CALLER_MAX_STREAMS: integer(256, 0, 1_000_000),
  CALLER_MAX_WATCHED_JOBS: integer(1_000, 0, 1_000_000),
  DOCS_ENABLED: flag(true),
  DOCS_OAUTH_CLIENT_ID: text(/^[\x21-\x7e]{1,255}$/, 'the client id of a public client'),
  DOCS_OAUTH_SCOPES: scopes(),
  REDIS_URL: text(
    (value) => parseRedisUrl(value) !== undefined,
    'redis://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE], or rediss:// for TLS; further nodes as HOST[:PORT], separated by commas',
  ),
  REDIS_MODE: choice(['standalone', 'sentinel', 'cluster'], 'standalone'),
  REDIS_SENTINEL_NAME: text(
    /^[\w.-]{1,255}$/,
    'the name of the primary that the sentinels monitor',
  ),
  REDIS_PASSWORD_FILE: credentialFile(
    REDIS_PASSWORD_FILE,
    'the path of a readable file with the password',
  ),
  REDIS_KEY_PREFIX: text(
    /^[\w.:/-]{1,64}$/,
    '1–64 letters, digits and _ . : / -',
    'cdf-job-quality:',
  ),
  REDIS_TIMEOUT_MS: integer(50, 1, 10_000),
  JOB_CACHE_MAX_ENTRIES: integer(10_000, 1, 1_000_000),
  JOB_CACHE_TTL_SECONDS: integer(86_400, 1, 31_536_000),
  JOB_STATUS_FRESH_MS: integer(1_000, 0, 60_000),
  JOB_NOT_FOUND_TTL_MS: integer(5_000, 0, 600_000),
  JOB_STALE_IF_ERROR_SECONDS: integer(30, 0, 3_600),
  UPSTREAM_ATTEMPT_TIMEOUT_MS: integer(4_000, 1, 60_000),
  UPSTREAM_DEADLINE_MS: integer(8_000, 1, 120_000),
  UPSTREAM_MAX_ATTEMPTS: integer(2, 1, 5),
  UPSTREAM_MAX_CONCURRENCY: integer(8, 1, 1_000),
  UPSTREAM_MAX_QUEUE: integer(256, 0, 100_000),
  UPSTREAM_POLLS_PER_SECOND: integer(20, 1, 1_000),
  SHUTDOWN_GRACE_MS: integer(10_000, 0, 600_000),
  SHUTDOWN_DELAY_MS: integer(0, 0, 600_000),
} satisfies Record<string, Variable<boolean | number | string>>

/** These variables are usual in lower case too, which takes precedence, as in curl. */
export const PROXY_VARIABLES: readonly string[] = ['HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY']

/** The name of an environment variable. */
export type VariableName = keyof typeof VARIABLES

/** The parsed values. An unset variable has its default, which may be `undefined`. */
export type Environment = {
  [Name in VariableName]: (typeof VARIABLES)[Name] extends Variable<infer Value, infer Default>
    ? Value | Default
    : never
}
