import { CredentialFileError } from '../auth/service/credential-file.ts'
import { isLoopback } from '../http/loopback.ts'
import type { Environment, VariableName } from './environment.ts'
import { VARIABLES } from './environment.ts'

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
    const text = trim(name, variables[name])
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
  if (issues.size > 0) throw new ConfigError([...issues].map((issue) => issue.join(' ')))
  return values as Environment
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
