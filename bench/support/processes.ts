import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** The server under test runs on core 0; the load and everything behind the server run on core 1. */
export type Core = 0 | 1

/** Whether a program is installed. */
export function isInstalled(program: string): boolean {
  try {
    execFileSync('which', [program], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** The start of a command line that pins a program to a core. */
export const onCore = (core: Core): string[] => ['taskset', '-c', `${core}`]

/** Options of {@link startPinned}. */
export interface PinnedOptions {
  core: Core
  /** The whole environment, apart from `PATH`. */
  environment?: Record<string, string>
  /** Receives stdout and stderr; without it, stdout is dropped. */
  logFile?: string
}

/** Starts a program on one core. */
export function startPinned(command: string[], options: PinnedOptions): ChildProcess {
  const { core, environment, logFile } = options
  const log = logFile === undefined ? undefined : openSync(logFile, 'a')
  const [program = '', ...args] = [...onCore(core), ...command]
  return spawn(program, args, {
    env: { PATH: process.env.PATH, ...environment },
    stdio: ['ignore', log ?? 'ignore', log ?? 'inherit'],
  })
}

/** Stops a program and waits for its exit. */
export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'exit')
}

/** Resolves once a URL answers with this status. */
export async function untilStatus(
  url: string,
  expected: number,
  headers: Record<string, string> = {},
): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    const status = await fetch(url, { headers }).then(
      (response) => response.status,
      () => 0,
    )
    if (status === expected) return
    await sleep(50)
  }
  throw new Error(`${url} does not answer with ${expected}`)
}

/** Linux counts CPU time for user space in hundredths of a second. */
const TICKS_PER_SECOND = 100

/** The CPU time, user and system, that a process and its children have used. */
export function cpuSeconds(pid: number): number {
  // The name in parentheses may contain spaces.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  const [utime, stime] = [Number(fields[11]), Number(fields[12])]
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
  return children
    .filter((child) => child !== '')
    .reduce((sum, child) => sum + cpuSeconds(Number(child)), (utime + stime) / TICKS_PER_SECOND)
}
