import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import { breakingChanges, type ComparedContract, mayBreak } from './breaking-changes.ts'
import { resolveReferences } from './resolve-references.ts'

/** Reads a contract and resolves its references. */
async function load(path: string): Promise<ComparedContract> {
  const document = parse(await readFile(new URL(path, import.meta.url), 'utf8'))
  return resolveReferences(document, document) as ComparedContract
}

const released = await load('released.yaml')
const current = await load('../../openapi.yaml')
const changes = breakingChanges(released, current)
if (changes.length > 0 && !mayBreak(released.info.version, current.info.version)) {
  process.stderr.write(
    `openapi.yaml breaks callers of ${released.info.version}, see docs/releasing.md:\n${changes.join('\n')}\n`,
  )
  process.exitCode = 1
}
