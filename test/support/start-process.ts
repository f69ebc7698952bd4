import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import type { Test } from 'tap'

const root = resolve(import.meta.dirname, '../..')

/** Makes a start twice as fast. Relative in `.taprc`, but the process can have another folder. */
const compileCache = process.env.NODE_COMPILE_CACHE && {
  NODE_COMPILE_CACHE: resolve(root, process.env.NODE_COMPILE_CACHE),
}

/**
 * Starts Node in a child process, which ends at the latest with the test.
 * @param args flags and script
 * @param environment all variables except the one for Node's compile cache
 * @param options.cwd default: the project folder
 * @param options.command a program that starts Node, and its arguments
 */
export function startProcess(
  t: Test,
  args: string[],
  environment: Record<string, string>,
  { cwd = root, command = [] }: { cwd?: string; command?: string[] } = {},
) {
  // tap adds preloads to NODE_OPTIONS, which make a start slower and are not there in production.
  const program = ['-u', 'NODE_OPTIONS', ...command, process.execPath, ...args]
  const env = { ...compileCache, ...environment }
  const child = spawn('env', program, { cwd, env })
  t.teardown(() => child.kill('SIGKILL'))
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text
  })
  return {
    child,
    output,
    /** Resolves with the exit code. */
    ended: once(child, 'close').then(([code]) => code as number | null),
    /** The URL in the log line of the service that it listens; empty before that line. */
    url: () => output.stdout.match(/listening at (http:\/\/[\d.:]+)/)?.[1] ?? '',
  }
}
