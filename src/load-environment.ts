import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { envSchema } from 'env-schema'
import { importSigningKey } from './auth/signing-key.ts'
import type { Environment, VariableName } from './environment.ts'
import { EnvironmentSchema, formOf, schemaOf } from './environment.ts'
import { isHttpsOrLoopback, isLoopback } from './loopback.ts'

/** The variables that are set, as text. */
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
    if (!(error instanceof Error) || !('errors' in error)) throw error
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
  const { PORT = '3000', METRICS_PORT = '9464' } = given
  if (PORT === METRICS_PORT && PORT !== '0') {
    yield ['METRICS_PORT', 'must be another port than PORT']
  }
  if (given.DOCS_OAUTH_CLIENT_ID) yield* required(given, 'AUTH_ISSUER')
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
    CORS_ORIGINS: (value) => value === '*' || isListOf(isOrigin, value),
    TRUST_PROXY: (value) => /^(false|\d{1,2})$/.test(value) || isListOf(isNetwork, value),
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

function isListOf(isGood: (word: string) => boolean, list: string): boolean {
  const words = wordsOf(list)
  return words.length > 0 && words.every(isGood)
}

function isOrigin(value: string): boolean {
  return /^https?:\/\/[^*]+$/.test(value) && URL.canParse(value) && new URL(value).origin === value
}

function isNetwork(value: string): boolean {
  const [address = '', prefix, ...rest] = value.split('/')
  const family = isIP(address)
  if (family === 0 || rest.length > 0) return false
  // A network of everybody is what `false` and addresses are there to avoid.
  return (
    prefix === undefined ||
    (/^[1-9]\d{0,2}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128))
  )
}

function fileHolds(path: string, isGood: (content: string) => boolean): boolean {
  try {
    return isGood(readFileSync(path, 'utf8'))
  } catch {
    return false
  }
}
