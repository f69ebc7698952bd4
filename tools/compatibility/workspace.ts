import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { hash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** A folder with the contract and the installed tools. */
export interface Workspace {
  /** Path of the contract, which every tool reads. */
  contract: string
  /** Creates an empty folder that a tool can write to. Packages are found from there. */
  createFolder(name: string): Promise<string>
  /** Runs a program of a package with Node. Returns what it writes; throws if it fails. */
  run(bin: string, ...args: string[]): Promise<string>
  /** Runs JavaScript that can import the packages. `contract` is the path of the contract. */
  evaluate(code: string): Promise<string>
  /** Starts a program of a package with Node. */
  start(bin: string, ...args: string[]): ChildProcess
  versionOf(packageName: string): Promise<string>
}

/** Tries a tool. Returns what worked; throws if something did not. */
export type Check = (workspace: Workspace, packageName: string) => Promise<string>

const PINNED = new URL('package.json', import.meta.url)
/** No tool takes longer. */
const TIMEOUT_MS = 120_000
/** More output than any tool writes; bytes. */
const MAX_OUTPUT = 64 * 2 ** 20

/**
 * Installs the tools of package.json in a cache folder of the user, unless they are there, and copies the contract
 * beside them. The project's own folder would give some tools the wrong configuration, such as redocly.yaml.
 */
export async function prepareWorkspace(contractFile: URL): Promise<Workspace> {
  const pinned = await readFile(PINNED, 'utf8')
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache')
  const folder = join(cache, 'cdf-job-quality', hash('sha256', pinned).slice(0, 12))
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'package.json'), pinned)
  // npm writes this file last.
  if (!existsSync(join(folder, 'node_modules/.package-lock.json'))) {
    const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock']
    await promisify(execFile)('npm', ['install', ...options], {
      cwd: folder,
      maxBuffer: MAX_OUTPUT,
    })
  }
  const contract = join(folder, 'openapi.yaml')
  await cp(contractFile, contract)

  const options = {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: folder, NO_COLOR: '1', CI: '1', DO_NOT_TRACK: '1' },
    timeout: TIMEOUT_MS,
    maxBuffer: MAX_OUTPUT,
  }
  const execute = async (args: string[]) => {
    try {
      return (await promisify(execFile)(process.execPath, args, options)).stdout
    } catch (error) {
      // Many tools write errors to their standard output.
      const { stdout = '', stderr = '', message } = error as Error & Record<string, string>
      throw new Error([stderr, stdout, message].map((text) => text.trim()).find(Boolean))
    }
  }
  const pathOf = (bin: string) => join(folder, 'node_modules/.bin', bin)
  return {
    contract,
    createFolder: async (name) => {
      const created = join(folder, 'output', name)
      await rm(created, { recursive: true, force: true })
      await mkdir(created, { recursive: true })
      return created
    },
    run: (bin, ...args) => execute([pathOf(bin), ...args]),
    evaluate: (code) =>
      execute([
        '--input-type=module',
        '--eval',
        `const contract = process.argv[1]\n${code}`,
        contract,
      ]),
    start: (bin, ...args) => spawn(process.execPath, [pathOf(bin), ...args], options),
    versionOf: async (packageName) =>
      JSON.parse(await readFile(join(folder, 'node_modules', packageName, 'package.json'), 'utf8'))
        .version,
  }
}
