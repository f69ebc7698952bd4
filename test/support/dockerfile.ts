import { cp, mkdir, readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '../..')

/** A stage of the Dockerfile. */
export interface Stage {
  /** With continued lines joined; the first one is `FROM`. */
  instructions: string[]
  /** The arguments of each instruction with this name. */
  argumentsOf: (name: string) => string[]
  /** Copies the files of the stage from the build context into a folder, except those of other stages. */
  copyFiles: (folder: string) => Promise<void>
}

/** Reads the stages of the Dockerfile, in order. */
export async function readStages(): Promise<Stage[]> {
  const dockerfile = await readFile(join(root, 'Dockerfile'), 'utf8')
  const lines = dockerfile
    .replaceAll('\\\n', '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
  const starts = lines.flatMap((line, index) => (line.startsWith('FROM ') ? index : []))
  return starts.map((start, index) => stageOf(lines.slice(start, starts[index + 1])))
}

function stageOf(instructions: string[]): Stage {
  const argumentsOf = (name: string) =>
    instructions
      .filter((line) => line.startsWith(`${name} `))
      .map((line) => line.slice(name.length + 1))

  async function copyFiles(folder: string): Promise<void> {
    for (const copy of argumentsOf('COPY').filter((line) => !line.startsWith('--from'))) {
      const parts = copy.split(' ')
      const target = parts.pop() ?? ''
      for (const source of parts) {
        const isFolder = target.endsWith('/')
        const name = source.split('/').at(-1) ?? ''
        const destination = join(folder, target, isFolder ? name : '')
        await mkdir(dirname(destination), { recursive: true })
        await cp(join(root, source), destination, { recursive: true })
      }
    }
  }

  return { instructions, argumentsOf, copyFiles }
}
