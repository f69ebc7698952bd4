import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { importSigningKey } from './auth/signing-key.ts'
import { isHttpsOrLoopback } from './loopback.ts'

/** A variable of the environment: the form that its text must have, and what that text means. */
export interface Variable<Value, Default extends Value | undefined = Value | undefined> {
  /** In words, for whoever got it wrong. */
  readonly form: string
  /** What a text means; `undefined` if it has not the form. */
  readonly read: (text: string) => Value | undefined
  /** What it means to leave the variable out. */
  readonly default: Default
}

/** A decimal integer from `minimum` to `maximum`, without signs and leading zeros. */
export function integer(value: number, minimum: number, maximum: number): Variable<number, number> {
  return {
    form: `an integer from ${minimum} to ${maximum}`,
    read: (text) => {
      const number = /^(0|[1-9]\d*)$/.test(text) ? Number(text) : Number.NaN
      return number >= minimum && number <= maximum ? number : undefined
    },
    default: value,
  }
}

/** `true` or `false`. */
export function flag(value: boolean): Variable<boolean, boolean> {
  const form = 'true or false'
  const read = (text: string) => (form.split(' or ').includes(text) ? text === 'true' : undefined)
  return { form, read, default: value }
}

/** One of a few words. */
export function choice<const Choice extends string>(
  choices: readonly Choice[],
  value: NoInfer<Choice>,
): Variable<Choice, Choice> {
  const read = (text: string) => choices.find((each) => each === text)
  return { form: `one of ${choices.join(', ')}`, read, default: value }
}

/** A text that is good, and stands for itself. */
export function text<Default extends string | undefined = undefined>(
  isGood: RegExp | ((text: string) => boolean),
  form: string,
  value?: Default,
): Variable<string, Default> {
  const passes = isGood instanceof RegExp ? (given: string) => isGood.test(given) : isGood
  return { form, read: (given) => (passes(given) ? given : undefined), default: value as Default }
}

/** Where a secret or a token may be sent. */
export function url(): Variable<string, undefined> {
  const isPlain = /^https?:\/\/[^\s/?#@]+(?:\/[^\s?#]*)?$/
  return text(
    (given) => isPlain.test(given) && isHttpsOrLoopback(given),
    'a URL with https:, or with http: and a loopback host, without query, fragment and credentials',
  )
}

/** RFC 6749 §3.3: what a scope may consist of. */
export const SCOPE = '[\\x21\\x23-\\x5b\\x5d-\\x7e]'

/** Scopes; {@link wordsOf} takes them apart. */
export function scopes(): Variable<string, undefined> {
  const list = new RegExp(`^${SCOPE}+(?: +${SCOPE}+)*$`)
  return text(list, 'scopes, separated by commas or spaces')
}

/** The words of a list that is separated by commas or spaces. */
export function wordsOf(list = ''): string[] {
  return list.split(/[\s,]+/).filter(Boolean)
}

/** Whether a text is a list of good words, and of one at least. */
export function isListOf(isGood: (word: string) => boolean, list: string): boolean {
  const words = wordsOf(list)
  return words.length > 0 && words.every(isGood)
}

/** `https://app.example`, without a path. */
export function isOrigin(value: string): boolean {
  return /^https?:\/\/[^*]+$/.test(value) && URL.canParse(value) && new URL(value).origin === value
}

/** An address, or a network such as `10.0.0.0/8`. */
export function isNetwork(value: string): boolean {
  const [address = '', prefix, ...rest] = value.split('/')
  const family = isIP(address)
  if (family === 0 || rest.length > 0) return false
  // A network of everybody is what `false` and addresses are there to avoid.
  return (
    prefix === undefined ||
    (/^[1-9]\d{0,2}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128))
  )
}

/** Whether a file can be read and is not empty. */
export function isSecretFile(path: string): boolean {
  return fileHolds(path, (content) => content.trim() !== '')
}

/** Whether a file holds a private key that a client assertion can be signed with. */
export function isSigningKeyFile(path: string): boolean {
  return fileHolds(path, (pem) => importSigningKey(pem).type === 'private')
}

function fileHolds(path: string, isGood: (content: string) => boolean): boolean {
  try {
    return isGood(readFileSync(path, 'utf8'))
  } catch {
    return false
  }
}
