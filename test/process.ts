import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import type { Test } from 'tap'

const root = resolve(import.meta.dirname, '..')

/**
 * Starts Node as a process of its own, with this environment and no other; it ends with the test at the latest.
 * @param args flags and script
 * @param cwd the project if absent
 */
export function startProcess(
  t: Test,
  args: string[],
  environment: Record<string, string>,
  cwd = root,
) {
  const child = spawn(process.execPath, args, { cwd, env: environment })
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
    /** The exit code. */
    ended: once(child, 'close').then(([code]) => code as number | null),
    /** Where the service says that it listens; empty before. */
    url: () => output.stdout.match(/listening at (http:\/\/[\d.:]+)/)?.[1] ?? '',
  }
}
