import type { Environment, VariableName } from './environment.ts'
import { VARIABLES } from './environment.ts'
import { isLoopback } from './loopback.ts'

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
  const given: Given = {}
  const values: Partial<Record<VariableName, unknown>> = {}
  const mistakes = new Map<VariableName, string>()
  for (const name of Object.keys(VARIABLES) as VariableName[]) {
    const text = trimmed(name, variables[name])
    if (text) given[name] = text
    const { form, read, default: value } = VARIABLES[name]
    values[name] = text ? read(text) : value
    if (text && values[name] === undefined) mistakes.set(name, `must be ${form}`)
  }
  for (const [name, mistake] of mistakesBetween(given)) {
    if (!mistakes.has(name)) mistakes.set(name, mistake)
  }
  if (mistakes.size > 0) throw new ConfigError([...mistakes].map((mistake) => mistake.join(' ')))
  return values as Environment
}

/** Without spaces around it, except for a secret, which may have them. */
function trimmed(name: VariableName, value = ''): string {
  return name === 'IDP_CLIENT_SECRET' && value.trim() ? value : value.trim()
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
  const { PORT = VARIABLES.PORT.default, METRICS_PORT = VARIABLES.METRICS_PORT.default } = given
  if (`${PORT}` === `${METRICS_PORT}` && PORT !== '0') {
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
  if (others.length === 0) return [[first, `is required: ${VARIABLES[first].form}`]]
  return [[first, `(or ${others.join(' or ')}) is required: ${VARIABLES[first].form}`]]
}
