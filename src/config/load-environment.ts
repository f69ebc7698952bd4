import { CredentialFileError } from '../credentials/credential-file.ts'
import { isLoopback } from '../http/loopback.ts'
import { isSecureUrl } from '../http/secure-url.ts'
import { parseRedisUrl } from '../redis/redis-url.ts'
import { type Environment, PROXY_VARIABLES, VARIABLES, type VariableName } from './environment.ts'
import { splitList } from './syntax.ts'
import { url } from './variable.ts'

/** The variables that are set. */
type RawEnvironment = Partial<Record<VariableName, string>>

/** An invalid environment. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  /** One sentence per invalid variable, which starts with its name and never contains its value. */
  readonly issues: readonly string[]

  constructor(issues: readonly string[]) {
    super(`The configuration has ${issues.length} ${issues.length === 1 ? 'issue' : 'issues'}.`)
    this.issues = issues
  }
}

/**
 * Parses and validates the environment. An empty variable counts as unset.
 * @throws ConfigError with all issues
 */
export function loadEnvironment(
  variables: Readonly<Record<string, string | undefined>>,
): Environment {
  const raw: RawEnvironment = {}
  const values: Partial<Record<VariableName, unknown>> = {}
  const issues = new Map<VariableName, string>()
  for (const name of Object.keys(VARIABLES) as VariableName[]) {
    const text = trim(name, variables[usedName(name, variables)])
    values[name] = VARIABLES[name].default
    if (!text) continue
    raw[name] = text
    try {
      values[name] = VARIABLES[name].parse(text)
      if (values[name] === undefined) issues.set(name, `must be ${VARIABLES[name].expected}`)
    } catch (error) {
      if (!(error instanceof CredentialFileError)) throw error
      issues.set(name, error.issue)
    }
  }
  for (const [name, issue] of crossVariableIssues(raw)) {
    if (!issues.has(name)) issues.set(name, issue)
  }
  if (issues.size > 0) {
    throw new ConfigError(
      [...issues].map(([name, issue]) => `${usedName(name, variables)} ${issue}`),
    )
  }
  return values as Environment
}

/** The name under which a variable is set. */
function usedName(
  name: VariableName,
  variables: Readonly<Record<string, string | undefined>>,
): string {
  const lowerCase = name.toLowerCase()
  return PROXY_VARIABLES.includes(name) && variables[lowerCase]?.trim() ? lowerCase : name
}

/** A secret may begin or end with spaces. */
function trim(name: VariableName, value = ''): string {
  return name === 'IDP_CLIENT_SECRET' && value.trim() ? value : value.trim()
}

/** Missing variables, and variables that contradict each other. */
function* crossVariableIssues(raw: RawEnvironment): Generator<[VariableName, string]> {
  yield* required(raw, 'CDF_PROJECT')
  yield* required(raw, 'CDF_CLUSTER', 'CDF_URL')
  yield* required(raw, 'IDP_CLIENT_ID')
  yield* required(raw, 'IDP_TOKEN_URL', 'IDP_TENANT_ID', 'IDP_DISCOVERY_URL')
  if (raw.IDP_CLIENT_AUTH_METHOD === 'private_key_jwt') {
    yield* required(raw, 'IDP_CLIENT_KEY_FILE')
  } else {
    yield* required(raw, 'IDP_CLIENT_SECRET', 'IDP_CLIENT_SECRET_FILE')
  }
  if (raw.IDP_CLIENT_SECRET && raw.IDP_CLIENT_SECRET_FILE) {
    yield ['IDP_CLIENT_SECRET', 'and IDP_CLIENT_SECRET_FILE must not both be set']
  }
  const { PORT = VARIABLES.PORT.default, METRICS_PORT = VARIABLES.METRICS_PORT.default } = raw
  if (`${PORT}` === `${METRICS_PORT}` && PORT !== '0') {
    yield ['METRICS_PORT', 'must be another port than PORT']
  }
  yield* insecureUrls(raw)
  yield* redisIssues(raw)
  if (raw.DOCS_OAUTH_CLIENT_ID) yield* required(raw, 'AUTH_ISSUER')
  if (raw.AUTH_MODE !== 'none') {
    yield* required(raw, 'AUTH_ISSUER')
    yield* required(raw, 'AUTH_AUDIENCE')
  } else if (raw.HOST && !isLoopback(raw.HOST) && raw.AUTH_ALLOW_ANONYMOUS !== 'true') {
    yield [
      'AUTH_MODE',
      'is none, so everyone who can reach HOST can read all jobs: set HOST to a loopback address, or AUTH_ALLOW_ANONYMOUS=true if this is intended',
    ]
  }
}

/** URLs to which the service must not send requests. With `AUTH_JWKS_URL`, the issuer is only a name. */
function* insecureUrls(raw: RawEnvironment): Generator<[VariableName, string]> {
  const names: VariableName[] = ['CDF_URL', 'IDP_TOKEN_URL', 'IDP_DISCOVERY_URL', 'AUTH_JWKS_URL']
  const hosts = splitList(raw.INSECURE_HTTP_HOSTS)
  for (const name of names) {
    const value = raw[name]
    if (value && !isSecureUrl(value, hosts)) yield [name, `must be ${VARIABLES[name].expected}`]
  }
  const { AUTH_ISSUER: issuer, AUTH_JWKS_URL: jwksUrl } = raw
  if (!issuer || jwksUrl) return
  if (url().parse(issuer) === undefined || !isSecureUrl(issuer, hosts))
    yield ['AUTH_ISSUER', `must be ${url().expected}, unless AUTH_JWKS_URL is set`]
}

function* redisIssues(raw: RawEnvironment): Generator<[VariableName, string]> {
  const redis = parseRedisUrl(raw.REDIS_URL ?? '')
  if (!redis) return
  const { REDIS_MODE: mode = 'standalone' } = raw
  if (mode === 'sentinel') yield* required(raw, 'REDIS_SENTINEL_NAME')
  if (mode === 'standalone' && redis.nodes.length > 1)
    yield ['REDIS_URL', 'has several nodes, so REDIS_MODE must be sentinel or cluster']
  if (mode === 'cluster' && redis.database !== 0)
    yield ['REDIS_URL', 'must not have a database, because a cluster has only one']
  if (redis.password && raw.REDIS_PASSWORD_FILE)
    yield ['REDIS_PASSWORD_FILE', 'and a password in REDIS_URL must not both be set']
}

/** An issue of the first variable if none of the variables is set. */
function* required(
  raw: RawEnvironment,
  ...names: [VariableName, ...VariableName[]]
): Generator<[VariableName, string]> {
  if (names.some((name) => raw[name])) return
  const [first, ...others] = names
  const alternatives = others.length > 0 ? `(or ${others.join(' or ')}) ` : ''
  yield [first, `${alternatives}is required: ${VARIABLES[first].expected}`]
}
