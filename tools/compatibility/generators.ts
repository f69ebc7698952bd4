import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { operationsOf } from './operations.ts'
import type { Check, Workspace } from './workspace.ts'

/** The generated code compiles with these and nothing weaker. */
const TSCONFIG = {
  compilerOptions: {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    target: 'es2022',
    module: 'esnext',
    moduleResolution: 'bundler',
    allowImportingTsExtensions: true,
    lib: ['es2024', 'dom', 'dom.iterable'],
    types: [],
  },
}

const kubbConfig = (contract: string, folder: string) => `
import { defineConfig } from '@kubb/core'
import { pluginClient } from '@kubb/plugin-client'
import { pluginOas } from '@kubb/plugin-oas'
import { pluginTs } from '@kubb/plugin-ts'
import { pluginZod } from '@kubb/plugin-zod'

export default defineConfig({
  root: ${JSON.stringify(folder)},
  input: { path: ${JSON.stringify(contract)} },
  output: { path: 'generated', format: false, lint: false },
  plugins: [pluginOas(), pluginTs(), pluginClient({ client: 'fetch' }), pluginZod()],
})
`

/** Generators of TypeScript, by package. Each must generate all operations, as code that compiles. */
export const GENERATORS: Record<string, Check> = {
  'openapi-typescript': generates('types', ({ run, contract }, folder) =>
    run('openapi-typescript', contract, `--output=${join(folder, 'types.ts')}`),
  ),
  '@hey-api/openapi-ts': generates('fetch client with event streams', ({ run, contract }, folder) =>
    run('openapi-ts', `--input=${contract}`, `--output=${join(folder, 'client')}`, '--no-log-file'),
  ),
  orval: generates('fetch client, Zod schemas', async ({ run, contract }, folder) => {
    for (const client of ['fetch', 'zod']) {
      const target = join(folder, client, 'client.ts')
      await run('orval', '--input', contract, '--output', target, '--client', client)
    }
  }),
  '@kubb/cli': generates('fetch client, Zod schemas', async ({ run, contract }, folder) => {
    const config = join(folder, 'kubb.config.mjs')
    await writeFile(config, kubbConfig(contract, folder))
    await run('kubb', 'generate', '--config', config)
  }),
  oazapfts: generates('fetch client', ({ run, contract }, folder) =>
    run('oazapfts', contract, join(folder, 'client.ts')),
  ),
  'openapi-zod-client': generates('Zodios client', ({ run, contract }, folder) =>
    run('openapi-zod-client', contract, '--output', join(folder, 'client.ts'), '--with-alias'),
  ),
  'swagger-typescript-api': generates('fetch client', ({ run, contract }, folder) =>
    run('swagger-typescript-api', 'generate', '--path', contract, '--output', folder),
  ),
}

function generates(
  what: string,
  generate: (workspace: Workspace, folder: string) => Promise<unknown>,
): Check {
  return async (workspace, packageName) => {
    const folder = await workspace.createFolder(packageName.replaceAll(/\W+/g, '-'))
    await generate(workspace, folder)
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(TSCONFIG))
    await workspace.run('tsc', '--project', folder)

    const names = await readdir(folder, { recursive: true, withFileTypes: true })
    const files = names.filter(({ name }) => name.endsWith('.ts'))
    const sources = files.map(({ parentPath, name }) => readFile(join(parentPath, name), 'utf8'))
    const source = (await Promise.all(sources)).join('\n')
    const operations = await operationsOf(workspace.contract)
    const missing = operations.filter(({ operationId }) => !source.includes(operationId))
    if (missing.length > 0) throw new Error(`missing: ${JSON.stringify(missing)}`)
    return `${what}: ${operations.length} operations, compiles with \`strict\``
  }
}
