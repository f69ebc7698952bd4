import { type CredentialFile, Fault } from './credential-file.ts'

/** Far more than any identity provider issues. */
const MAX_LENGTH = 1024

/** A variable name and the beginning of its value. The padding at the end of base64 is no value. */
const ASSIGNMENT = /^(?:export +)?([A-Za-z_]\w*) *=+[^=]/
/** Only names that look like those of variables count, because a secret can contain `=`: `IDP_CLIENT_SECRET`, `secret`, `API_KEY`. */
const VARIABLE_NAME = /^[A-Z][A-Z0-9]*_[A-Z0-9_]*$|secret|password|key|token/i

/**
 * What is wrong with a client secret; `undefined` if nothing is. The text continues `a secret that`.
 */
export function secretFault(secret: string): string | undefined {
  if (secret === '') return 'is empty'
  if (secret.length > MAX_LENGTH) return `has more than ${MAX_LENGTH} characters`
  if (/[\r\n]/.test(secret)) return 'has more than one line: leave only the secret in it'
  if (/\p{Cc}/u.test(secret)) return 'has control characters'
  if (secret.length > 1 && /^["'`]/.test(secret) && secret.endsWith(secret.charAt(0)))
    return 'has quotes around the secret: remove them'
  const [, name = ''] = ASSIGNMENT.exec(secret) ?? []
  if (VARIABLE_NAME.test(name))
    return 'has a variable name before the secret: remove the name and ='
  return undefined
}

/** A file with a secret. Spaces and line breaks around the secret are ignored. */
const secretFile = (variable: string): CredentialFile<string> => ({
  variable,
  parse: (text) => {
    const secret = text.trim()
    const fault = secretFault(secret)
    if (fault) throw new Fault(fault)
    return secret
  },
})

/** A file with a client secret. */
export const CLIENT_SECRET_FILE = secretFile('IDP_CLIENT_SECRET_FILE')
/** A file with the password for Redis. */
export const REDIS_PASSWORD_FILE = secretFile('REDIS_PASSWORD_FILE')
