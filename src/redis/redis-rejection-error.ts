/** The first words of errors that Redis and Valkey send. Other words are outside text. */
const KINDS: ReadonlySet<string> = new Set(
  'BUSY CLUSTERDOWN CROSSSLOT LOADING MASTERDOWN MISCONF NOAUTH NOPERM NOREPLICAS OOM READONLY TRYAGAIN WRONGPASS WRONGTYPE'.split(
    ' ',
  ),
)

/**
 * Redis has answered with an error. The message is the kind of the error.
 * @see https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors
 */
export class RedisRejectionError extends Error {
  override readonly name = 'RedisRejectionError'

  /** @param text the error that Redis sent, such as "OOM command not allowed" */
  constructor(text: string) {
    const [word = ''] = text.split(' ', 1)
    // The error of a command inside a script has another first word.
    const isDenied = text.includes("can't run this command")
    super(isDenied ? 'NOPERM' : KINDS.has(word) ? word : 'ERR')
  }
}
