import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/**
 * The `skip` option of a test that needs a program: a reason if it is not installed, else false.
 * @param args arguments with which the program only prints something
 */
export function skipWithout(program: string, ...args: string[]): Promise<string | false> {
  return promisify(execFile)(program, args).then(
    () => false as const,
    () => `${program} is not installed`,
  )
}
