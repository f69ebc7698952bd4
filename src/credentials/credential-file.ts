import { readFileSync, type Stats, statSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { errorCode } from '../telemetry/error-serializer.ts'

/** Far more than a key with a chain of certificates. */
const MAX_BYTES = 1024 * 1024

/** A credential file that cannot be used. The message never holds any of its content. */
export class CredentialFileError extends Error {
  override readonly name = 'CredentialFileError'
  /** What is wrong and what to do; continues a sentence that begins with the name of the variable. */
  readonly issue: string

  constructor(variable: string, fault: string) {
    const issue = `names a file that ${fault}`
    super(`${variable} ${issue}`)
    this.issue = issue
  }
}

/** A kind of credential file. */
export interface CredentialFile<Credential> {
  /** The environment variable that holds the path. */
  variable: string
  /** The credential in a text; throws a {@link Fault}. */
  parse: (text: string) => Credential
}

/** What is wrong with the text of a file: a fixed text that continues `names a file that`. */
export class Fault extends Error {}

/**
 * Reads a credential.
 * @throws CredentialFileError
 */
export async function readCredential<Credential>(
  file: CredentialFile<Credential>,
  path: string,
): Promise<Credential> {
  try {
    checkKind(await stat(path))
    return file.parse(decode(await readFile(path)))
  } catch (error) {
    throw new CredentialFileError(file.variable, faultOf(error))
  }
}

/** The same, synchronously. */
export function readCredentialSync<Credential>(
  file: CredentialFile<Credential>,
  path: string,
): Credential {
  try {
    checkKind(statSync(path))
    return file.parse(decode(readFileSync(path)))
  } catch (error) {
    throw new CredentialFileError(file.variable, faultOf(error))
  }
}

function faultOf(error: unknown): string {
  return error instanceof Fault ? error.message : `cannot be read: ${errorCode(error) ?? 'Error'}`
}

/** A pipe or a device can block the read for ever, and with it every later token request. */
function checkKind(stats: Stats): void {
  if (!stats.isFile()) throw new Fault('is not a regular file')
  if (stats.size > MAX_BYTES) throw new Fault('has more than 1 MiB')
}

/** UTF-8 as text, without a byte order mark, which some editors add. */
function decode(bytes: Buffer): string {
  const hasMark = bytes.length >= 2 && [0xfeff, 0xfffe].includes(bytes.readUInt16BE(0))
  if (hasMark || bytes.includes(0)) throw new Fault('is in UTF-16: save it in UTF-8')
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new Fault('is not in UTF-8')
  }
}
