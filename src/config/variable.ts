import { type CredentialFile, readCredentialSync } from '../credentials/credential-file.ts'
import { isHostname } from '../http/secure-url.ts'
import { isListOf, isProxyUrl, SCOPE } from './syntax.ts'

/** An environment variable. */
export interface Variable<Value, Default extends Value | undefined = Value | undefined> {
  /** The valid values, for error messages: `must be ${expected}`. */
  readonly expected: string
  /**
   * The value of a text; `undefined` if it is invalid.
   * @throws CredentialFileError for a file whose content is invalid
   */
  readonly parse: (text: string) => Value | undefined
  readonly default: Default
}

/** A decimal integer from `minimum` to `maximum`, without leading zeros. */
export function integer(
  defaultValue: number,
  minimum: number,
  maximum: number,
): Variable<number, number> {
  return {
    expected: `an integer from ${minimum} to ${maximum}`,
    parse: (text) => {
      const number = /^(0|[1-9]\d*)$/.test(text) ? Number(text) : Number.NaN
      return number >= minimum && number <= maximum ? number : undefined
    },
    default: defaultValue,
  }
}

/** `true` or `false`. */
export function flag(defaultValue: boolean): Variable<boolean, boolean> {
  return {
    expected: 'true or false',
    parse: (text) => (text === 'true' ? true : text === 'false' ? false : undefined),
    default: defaultValue,
  }
}

/** One of the choices. */
export function choice<const Choice extends string>(
  choices: readonly Choice[],
  defaultValue: NoInfer<Choice>,
): Variable<Choice, Choice> {
  return {
    expected: `one of ${choices.join(', ')}`,
    parse: (text) => choices.find((choice) => choice === text),
    default: defaultValue,
  }
}

/** A text that matches the pattern or passes the check. */
export function text<Default extends string | undefined = undefined>(
  valid: RegExp | ((text: string) => boolean),
  expected: string,
  defaultValue?: Default,
): Variable<string, Default> {
  const isValid = valid instanceof RegExp ? (value: string) => valid.test(value) : valid
  return {
    expected,
    parse: (value) => (isValid(value) ? value : undefined),
    default: defaultValue as Default,
  }
}

/** Without query, fragment and credentials. */
const PLAIN_URL = /^https?:\/\/[^\s/?#@]+(?:\/[^\s?#]*)?$/

const HTTP_URL =
  'a URL with https:, or with http: and a loopback host or a host of INSECURE_HTTP_HOSTS, without '

/** A URL with `http:` or `https:`. `load-environment.ts` checks the hosts of those with `http:`. */
export function url({ query = false } = {}): Variable<string, undefined> {
  const valid = query ? /^https?:\/\/[^\s/?#@]+(?:[/?][^\s#]*)?$/ : PLAIN_URL
  return text(
    (value) => valid.test(value) && URL.canParse(value),
    `${HTTP_URL}${query ? '' : 'query, '}fragment and credentials`,
  )
}

/** The same as {@link url}, without a path and without a query. */
export function baseUrl(): Variable<string, undefined> {
  const valid = /^https?:\/\/[^\s/?#@]+\/?$/
  return text(
    (value) => valid.test(value) && URL.canParse(value),
    `${HTTP_URL}path, query, fragment and credentials, because the service adds the path /api/v1/…`,
  )
}

/** The URL of an outbound proxy. */
export function proxyUrl(): Variable<string, undefined> {
  return text(
    isProxyUrl,
    'the URL of a proxy with http: or https: and without path, such as http://proxy.example:3128; special characters in a user name or password are percent-encoded',
  )
}

/** A list of hosts for {@link splitList}. */
export function hosts(): Variable<string, undefined> {
  return text(
    (value) => isListOf(isHostname, value),
    'host names in lower case or IP addresses, separated by commas, without scheme, port, path and wildcard',
  )
}

/** A URL that callers use. It may have any host, because nothing is sent there. */
export function publicUrl(): Variable<string, undefined> {
  return text(
    (value) => PLAIN_URL.test(value) && URL.canParse(value),
    'a URL with http: or https:, without query, fragment and credentials',
  )
}

/** A list of scopes for {@link splitList}. */
export function scopes(): Variable<string, undefined> {
  return text(new RegExp(`^${SCOPE}+(?: +${SCOPE}+)*$`), 'scopes, separated by commas or spaces')
}

/** The path of a file with a credential, which is read once to check it. */
export function credentialFile(
  file: CredentialFile<unknown>,
  expected: string,
): Variable<string, undefined> {
  return {
    expected,
    parse: (path) => {
      readCredentialSync(file, path)
      return path
    },
    default: undefined,
  }
}
