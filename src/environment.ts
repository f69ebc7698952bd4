import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { envSchema } from 'env-schema'
import type { Static, TSchema, TSchemaOptions } from 'typebox'
import { Type } from 'typebox'
import { importSigningKey } from './auth/signing-key.ts'
import { isHttpsOrLoopback, isLoopback } from './loopback.ts'

const integer = (value: number, minimum: number, maximum: number) =>
  Type.Integer({ default: value, minimum, maximum })
const flag = (value: boolean) => Type.Boolean({ default: value, description: 'true or false' })
const text = (pattern: string, description: string) =>
  Type.Optional(Type.String({ pattern, description }))
const choice = <const Choice extends string>(choices: Choice[], value: NoInfer<Choice>) =>
  Type.Unsafe<Choice>({ type: 'string', enum: choices, default: value })
const url = () =>
  text(
    '^https?://[^\\s/?#@]+(?:/[^\\s?#]*)?$',
    'a URL with https:, or with http: and a loopback host, without query, fragment and credentials',
  )
/** RFC 6749 §3.3: what a scope may consist of. */
const SCOPE = '[\\x21\\x23-\\x5b\\x5d-\\x7e]'
const scopes = () => text(`^${SCOPE}+(?: +${SCOPE}+)*$`, 'scopes, separated by commas or spaces')
const audience = () => text('^[\\x21-\\x7e]{1,1024}$', 'an audience without spaces')

/**
 * Every variable that the service reads, with its default and its form. Which of them are required depends on the
 * others; {@link loadEnvironment} knows.
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
    CDF_URL: url(),
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
    ),
    IDP_TOKEN_URL: url(),
    IDP_TENANT_ID: text(
      '^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$',
      'an Entra ID tenant: a GUID or a domain',
    ),
    IDP_DISCOVERY_URL: url(),
    IDP_SCOPES: scopes(),
    IDP_AUDIENCE: audience(),
    IDP_TIMEOUT_MS: integer(5_000, 1, 60_000),
    AUTH_MODE: choice(['jwt', 'none'], 'jwt'),
    AUTH_ALLOW_ANONYMOUS: flag(false),
    AUTH_ISSUER: url(),
    AUTH_AUDIENCE: audience(),
    AUTH_JWKS_URL: url(),
    AUTH_REQUIRED_SCOPE: text(`^${SCOPE}{1,255}$`, 'one scope'),
    HOST: Type.String({
      default: '127.0.0.1',
      pattern: '^[A-Za-z0-9.:-]{1,255}$',
      description: 'an address or host name to listen on',
    }),
    PORT: integer(3000, 0, 65_535),
    LOG_LEVEL: choice(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], 'info'),
    CORS_ORIGINS: text('.', 'exact origins such as https://app.example, separated by commas; or *'),
    TRUST_PROXY: Type.String({
      default: 'false',
      description:
        'false, the number of proxies in front, or their addresses or networks, separated by commas',
    }),
    RATE_LIMIT_PER_MINUTE: integer(600, 0, 1_000_000_000),
    DOCS_ENABLED: flag(true),
    DOCS_OAUTH_CLIENT_ID: text('^[\\x21-\\x7e]{1,255}$', 'the id of a public client'),
    DOCS_OAUTH_SCOPES: scopes(),
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
    SHUTDOWN_GRACE_MS: integer(10_000, 0, 600_000),
    SHUTDOWN_DELAY_MS: integer(0, 0, 600_000),
  },
  { additionalProperties: false },
)

/** The variables with their types and defaults. */
export type Environment = Static<typeof EnvironmentSchema>

type VariableName = keyof Environment
type Given = Partial<Record<VariableName, string>>

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
 * Checks the environment as a whole. An empty variable counts as absent.
 * @throws ConfigError with every mistake at once
 */
export function loadEnvironment(
  variables: Readonly<Record<string, string | undefined>>,
): Environment {
  const names = Object.keys(EnvironmentSchema.properties) as VariableName[]
  const given: Given = Object.fromEntries(
    names.map((name) => [name, trimmed(name, variables[name])]).filter(([, value]) => value),
  )
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
  for (const [name, mistake] of [...mistakesBetween(given), ...mistakesWithin(given)]) {
    if (!mistakes.has(name)) mistakes.set(name, mistake)
  }
  if (!environment || mistakes.size > 0) {
    throw new ConfigError([...mistakes].map((mistake) => mistake.join(' ')))
  }
  return environment
}

/** Without spaces around it, except for a secret, which may have them. */
function trimmed(name: VariableName, value = ''): string {
  return name === 'IDP_CLIENT_SECRET' && value.trim() ? value : value.trim()
}

/** The words of a list that is separated by commas or spaces. */
export function wordsOf(list = ''): string[] {
  return list.split(/[\s,]+/).filter(Boolean)
}

/** What variables say together: what is missing and what contradicts. */
function* mistakesBetween(given: Given): Generator<[VariableName, string]> {
  yield* required(given, 'CDF_PROJECT')
  yield* required(given, 'CDF_CLUSTER', 'CDF_URL')
  yield* required(given, 'IDP_CLIENT_ID')
  yield* required(given, 'IDP_TOKEN_URL', 'IDP_TENANT_ID', 'IDP_DISCOVERY_URL')
  if (given.IDP_CLIENT_AUTH_METHOD === 'private_key_jwt') {
    yield* required(given, 'IDP_CLIENT_KEY_FILE')
  } else {
    yield* required(given, 'IDP_CLIENT_SECRET', 'IDP_CLIENT_SECRET_FILE')
  }
  if (given.IDP_CLIENT_SECRET && given.IDP_CLIENT_SECRET_FILE) {
    yield ['IDP_CLIENT_SECRET', 'and IDP_CLIENT_SECRET_FILE must not both be set']
  }
  if (given.AUTH_MODE !== 'none') {
    yield* required(given, 'AUTH_ISSUER')
    yield* required(given, 'AUTH_AUDIENCE')
  } else if (given.HOST && !isLoopback(given.HOST) && given.AUTH_ALLOW_ANONYMOUS !== 'true') {
    yield [
      'AUTH_MODE',
      'none lets in everybody who reaches HOST: set AUTH_ALLOW_ANONYMOUS=true if that is meant, or HOST to a loopback address',
    ]
  }
}

/** A mistake at the first of these variables if none of them is set. */
function required(
  given: Given,
  ...names: [VariableName, ...VariableName[]]
): [VariableName, string][] {
  if (names.some((name) => given[name])) return []
  const [first, ...others] = names
  if (others.length === 0) return [[first, `is required: ${formOf(first)}`]]
  return [[first, `(or ${others.join(' or ')}) is required: ${formOf(first)}`]]
}

/** What no pattern can tell of a variable. */
function* mistakesWithin(given: Given): Generator<[VariableName, string]> {
  const checks: Partial<Record<VariableName, (value: string) => boolean>> = {
    CDF_URL: isHttpsOrLoopback,
    IDP_TOKEN_URL: isHttpsOrLoopback,
    IDP_DISCOVERY_URL: isHttpsOrLoopback,
    AUTH_ISSUER: isHttpsOrLoopback,
    AUTH_JWKS_URL: isHttpsOrLoopback,
    CORS_ORIGINS: (value) => wordsOf(value).every(isOrigin),
    TRUST_PROXY: (value) => /^(false|\d{1,2})$/.test(value) || wordsOf(value).every(isNetwork),
    IDP_CLIENT_SECRET_FILE: (path) => fileHolds(path, (content) => content.trim() !== ''),
    IDP_CLIENT_KEY_FILE: (path) =>
      fileHolds(path, (pem) => importSigningKey(pem).type === 'private'),
  }
  for (const [name, value] of Object.entries(given) as [VariableName, string][]) {
    const isInteger = schemaOf(name).minimum !== undefined
    // Coercion takes 0x10, 1e3 and Infinity for integers too.
    const isGood = isInteger ? /^(0|[1-9]\d*)$/.test(value) : checks[name]?.(value)
    if (isGood === false) yield [name, `must be ${formOf(name)}`]
  }
}

function formOf(name: VariableName): string {
  const schema = schemaOf(name)
  if (Array.isArray(schema.enum)) return `one of ${schema.enum.join(', ')}`
  if (schema.minimum !== undefined) return `an integer from ${schema.minimum} to ${schema.maximum}`
  return String(schema.description)
}

function schemaOf(name: VariableName): TSchemaOptions {
  return EnvironmentSchema.properties[name] as TSchema as TSchemaOptions
}

function isOrigin(value: string): boolean {
  if (value === '*') return true
  return /^https?:\/\/[^*]+$/.test(value) && URL.canParse(value) && new URL(value).origin === value
}

function isNetwork(value: string): boolean {
  const [address = '', prefix = '0', ...rest] = value.split('/')
  const family = isIP(address)
  const maxPrefix = family === 4 ? 32 : 128
  return family > 0 && rest.length === 0 && /^\d{1,3}$/.test(prefix) && Number(prefix) <= maxPrefix
}

function fileHolds(path: string, isGood: (content: string) => boolean): boolean {
  try {
    return isGood(readFileSync(path, 'utf8'))
  } catch {
    return false
  }
}
