import { execFile, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import type { StreamReader } from './readers.ts'

const SCRIPT = new URL('./follow.py', import.meta.url).pathname

/** Whether Python and its package `requests` are installed. */
export function hasPythonRequests(): Promise<boolean> {
  return promisify(execFile)('python3', ['-c', 'import requests']).then(
    () => true,
    () => false,
  )
}

/** A loop in Python with the package `requests`. */
export async function startPythonReader(): Promise<StreamReader> {
  const python = spawn('python3', [SCRIPT], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface(python.stdout)[Symbol.asyncIterator]()
  await lines.next()
  return {
    name: 'requests of Python',
    followAll: async (urls) => {
      python.stdin.write(`${JSON.stringify(urls)}\n`)
      const { value } = await lines.next()
      return JSON.parse(value ?? '[]')
    },
    close: async () => {
      python.kill()
    },
  }
}
