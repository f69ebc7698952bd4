import { createPrivateKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { envSchema } from 'env-schema'
import type { Static, TSchema, TSchemaOptions } from 'typebox'
import { Type } from 'typebox'
import type { AuthorizationServer, ClientAuthentication } from './auth/client-credentials.ts'
import { isLoopback } from './loopback.ts'

const integer = (value: number, minimum: number, maximum: number, description: string) =>
  Type.Integer({ default: value, minimum, maximum, description })
const text = (pattern: string, description: string) =>
  Type.Optional(Type.String({ pattern, description }))
const choice = <const Choice extends string>(
  choices: Choice[],
  value: NoInfer<Choice>,
  description: string,
) => Type.Unsafe<Choice>({ type: 'string', enum: choices, default: value, description })

const HTTP_URL = '^https?://[^\\s/?#@]+(?:/[^\\s?#]*)?$'
const URL_FORM =
  'a URL with https:, or with http: and a loopback host, without query, fragment and credentials'

/**
 * The environment: every variable that the service reads, with default and bounds.
 * Which of them are required depends on the others; {@link loadConfig} knows.
 */
export const EnvironmentSchema = Type.Object(
  {
    CDF_PROJECT: text(
      '^(?=.*[A-Za-z])[A-Za-z0-9][A-Za-z0-9-]{1,30}[A-Za-z0-9]$',
      'the URL name of a CDF project: 3–32 letters, digits and hyphens, at least one letter, no hyphen at either end',
    ),
    CDF_CLUSTER: text(
      '^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$',
      'a CDF cluster such as westeurope-1',
    ),
    CDF_URL: text(HTTP_URL, URL_FORM),
    CDF_VERSION: Type.String({
      default: 'alpha',
      pattern: '^[A-Za-z0-9.-]{1,32}$',
      description: 'a cdf-version such as alpha, beta or 20230101-alpha; or none',
    }),
    IDP_CLIENT_ID: text('^[\\x20-\\x7e]{1,255}$', 'a client id: 1–255 printable ASCII characters'),
    IDP_CLIENT_SECRET: text(
      '^[^\\x00-\\x1f\\x7f]{1,1024}$',
      'a client secret: 1–1024 characters, none of them a control character',
    ),
    IDP_CLIENT_SECRET_FILE: text('', 'the path of a readable file that holds the client secret'),
    IDP_CLIENT_KEY_FILE: text(
      '',
      'the path of a readable PEM file with an unencrypted RSA, EC or Ed25519 private key',
    ),
    IDP_CLIENT_AUTH_METHOD: choice(
      ['client_secret_post', 'client_secret_basic', 'private_key_jwt'],
      'client_secret_post',
      'how the service proves who it is',
    ),
    IDP_TOKEN_URL: text(HTTP_URL, URL_FORM),
    IDP_TENANT_ID: text(
      '^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$',
      'an Entra ID tenant: a GUID or a domain',
    ),
    IDP_DISCOVERY_URL: text(HTTP_URL, URL_FORM),
    IDP_SCOPES: text('^[\\x21\\x23-\\x5b\\x5d-\\x7e ]*$', 'scopes, separated by commas or spaces'),
    IDP_AUDIENCE: text('^[\\x21-\\x7e]{1,1024}$', 'an audience without spaces'),
    AUTH_MODE: choice(['jwt', 'none'], 'jwt', 'how callers are checked'),
    AUTH_ALLOW_ANONYMOUS: Type.Boolean({ default: false, description: 'true or false' }),
    HOST: Type.String({
      default: '127.0.0.1',
      pattern: '^[A-Za-z0-9.:-]{1,255}$',
      description: 'an address or host name to listen on',
    }),
    PORT: integer(3000, 0, 65_535, 'the port to listen on'),
    LOG_LEVEL: choice(
      ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'],
      'info',
      'what is logged',
    ),
    DOCS_ENABLED: Type.Boolean({ default: true, description: 'true or false' }),
    JOB_CACHE_MAX_ENTRIES: integer(10_000, 1, 10_000_000, 'done jobs kept'),
    JOB_CACHE_TTL_SECONDS: integer(86_400, 1, 31_536_000, 'how long'),
    JOB_STATUS_FRESH_MS: integer(1_000, 0, 60_000, 'how long a job that is not done stays fresh'),
    JOB_NOT_FOUND_TTL_MS: integer(5_000, 0, 600_000, 'how long an unknown job is remembered'),
    JOB_STALE_IF_ERROR_SECONDS: integer(
      30,
      0,
      3_600,
      'how long the last answer serves while CDF fails',
    ),
    UPSTREAM_ATTEMPT_TIMEOUT_MS: integer(4_000, 1, 60_000, 'one CDF call'),
    UPSTREAM_DEADLINE_MS: integer(
      8_000,
      1,
      120_000,
      'token, queue and all CDF calls of one request',
    ),
    UPSTREAM_MAX_ATTEMPTS: integer(2, 1, 5, 'CDF calls of one request'),
    UPSTREAM_MAX_CONCURRENCY: integer(8, 1, 1_000, 'CDF calls at once'),
    UPSTREAM_MAX_QUEUE: integer(256, 0, 100_000, 'CDF calls waiting for a place'),
    IDP_TIMEOUT_MS: integer(5_000, 1, 60_000, 'one token exchange'),
    SHUTDOWN_GRACE_MS: integer(
      10_000,
      0,
      600_000,
      'how long requests in flight may take when the service ends',
    ),
    SHUTDOWN_DELAY_MS: integer(
      0,
      0,
      600_000,
      'how long the service goes on, not ready, before it closes',
    ),
  },
  { additionalProperties: false },
)

type Environment = Static<typeof EnvironmentSchema>
type VariableName = keyof Environment

/** What the service runs with; frozen. It holds no secret: `authentication` reads one when it is needed. */
export type Config = ReturnType<typeof toConfig>

/** What is wrong with the environment: one sentence for each offending variable, without any value. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly mistakes: readonly string[]

  constructor(mistakes: readonly string[]) {
    super(
      `The configuration has ${mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`}.`,
    )
    this.mistakes = mistakes
  }
}

/**
 * Reads and checks the environment as a whole. An empty variable counts as absent.
 * @throws ConfigError with every mistake at once
 */
export function loadConfig(variables: Readonly<Record<string, string | undefined>>): Config {
  const given = Object.fromEntries(
    Object.keys(EnvironmentSchema.properties).flatMap((name) => {
      const value = variables[name]?.trim()
      return value ? [[name, value]] : []
    }),
  ) as Partial<Record<VariableName, string>>

  const mistakes = new Map<VariableName, string>()
  let environment: Environment | undefined
  try {
    environment = envSchema<Environment>({
      schema: EnvironmentSchema,
      data: { ...given },
      env: false,
    })
  } catch (error) {
    for (const { instancePath } of (error as { errors: { instancePath: string }[] }).errors) {
      const name = instancePath.slice(1) as VariableName
      mistakes.set(name, `must be ${formOf(name)}`)
    }
  }
  for (const [name, mistake] of mistakesBetween(given))
    if (!mistakes.has(name)) mistakes.set(name, mistake)
  if (!environment || mistakes.size > 0)
    throw new ConfigError([...mistakes].map((mistake) => mistake.join(' ')))
  return toConfig(environment)
}

function formOf(name: VariableName): string {
  const schema = EnvironmentSchema.properties[name] as TSchema as TSchemaOptions
  if (Array.isArray(schema.enum)) return `one of ${schema.enum.join(', ')}`
  if (schema.minimum !== undefined) return `an integer from ${schema.minimum} to ${schema.maximum}`
  return String(schema.description)
}

/** What one variable cannot tell alone: what is missing, what contradicts, what cannot be read. */
function* mistakesBetween(
  given: Partial<Record<VariableName, string>>,
): Generator<[VariableName, string]> {
  const required = (...names: [VariableName, ...VariableName[]]): [VariableName, string][] => {
    if (names.some((name) => given[name])) return []
    const [first, ...others] = names
    const form = others.length > 0 ? `(or ${others.join(' or ')}) ` : ''
    return [
      [
        first,
        `${form}is required: ${names.map((name) => (others.length > 0 ? `${name} is ${formOf(name)}` : formOf(name))).join('; ')}`,
      ],
    ]
  }
  yield* required('CDF_PROJECT')
  yield* required('CDF_CLUSTER', 'CDF_URL')
  yield* required('IDP_CLIENT_ID')
  yield* required('IDP_TOKEN_URL', 'IDP_TENANT_ID', 'IDP_DISCOVERY_URL')
  if (given.IDP_CLIENT_AUTH_METHOD === 'private_key_jwt') yield* required('IDP_CLIENT_KEY_FILE')
  else yield* required('IDP_CLIENT_SECRET', 'IDP_CLIENT_SECRET_FILE')

  if (given.IDP_CLIENT_SECRET && given.IDP_CLIENT_SECRET_FILE) {
    yield ['IDP_CLIENT_SECRET', 'and IDP_CLIENT_SECRET_FILE must not both be set']
  }
  for (const name of ['CDF_URL', 'IDP_TOKEN_URL', 'IDP_DISCOVERY_URL'] as const) {
    if (given[name] && !isSafeUrl(given[name])) yield [name, `must be ${formOf(name)}`]
  }
  if (
    given.IDP_CLIENT_SECRET_FILE &&
    !fileHolds(given.IDP_CLIENT_SECRET_FILE, (content) => content.trim() !== '')
  ) {
    yield ['IDP_CLIENT_SECRET_FILE', `must be ${formOf('IDP_CLIENT_SECRET_FILE')}`]
  }
  if (given.IDP_CLIENT_KEY_FILE && !fileHolds(given.IDP_CLIENT_KEY_FILE, isPrivateKey)) {
    yield ['IDP_CLIENT_KEY_FILE', `must be ${formOf('IDP_CLIENT_KEY_FILE')}`]
  }
  if ((given.AUTH_MODE ?? 'jwt') === 'jwt') {
    yield ['AUTH_MODE', 'must be none for now: jwt, the default, cannot check callers yet']
  } else if (given.HOST && !isLoopback(given.HOST) && given.AUTH_ALLOW_ANONYMOUS !== 'true') {
    yield [
      'AUTH_MODE',
      'none lets in everybody who reaches HOST: set AUTH_ALLOW_ANONYMOUS=true if that is meant, or HOST to a loopback address',
    ]
  }
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
      scope:
        scopes
          .split(/[\s,]+/)
          .filter(Boolean)
          .join(' ') || undefined,
      audience: environment.IDP_AUDIENCE,
      timeoutMs: environment.IDP_TIMEOUT_MS,
    },
    auth: { mode: environment.AUTH_MODE },
    listen: { host: environment.HOST, port: environment.PORT },
    logLevel: environment.LOG_LEVEL,
    docs: { enabled: environment.DOCS_ENABLED },
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

function isSafeUrl(value: string): boolean {
  if (!URL.canParse(value)) return false
  const { protocol, hostname } = new URL(value)
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname))
}

function fileHolds(path: string, isGood: (content: string) => boolean): boolean {
  try {
    return isGood(readFileSync(path, 'utf8'))
  } catch {
    return false
  }
}

function isPrivateKey(pem: string): boolean {
  return ['rsa', 'ec', 'ed25519'].includes(createPrivateKey(pem).asymmetricKeyType ?? '')
}

function deepFreeze<T extends object>(value: T): Readonly<T> {
  for (const member of Object.values(value)) {
    if (typeof member === 'object' && member !== null && !(member instanceof URL))
      deepFreeze(member)
  }
  return Object.freeze(value)
}
