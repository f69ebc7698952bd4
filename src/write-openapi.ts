import { readFile, writeFile } from 'node:fs/promises'
import { buildApp } from './app.ts'
import { loadConfig } from './config.ts'

/** Beyond, a list is easier to read line by line. */
const MAX_LIST_LENGTH = 60

const file = new URL('../openapi.yaml', import.meta.url)

/** The contract as the routes of this source tree make it. Nothing is asked of anybody. */
export async function generateOpenApi(): Promise<string> {
  const config = loadConfig({
    CDF_PROJECT: 'none',
    CDF_URL: 'http://localhost',
    IDP_CLIENT_ID: 'none',
    IDP_CLIENT_SECRET: 'none',
    IDP_TOKEN_URL: 'http://localhost',
    AUTH_MODE: 'none',
    LOG_LEVEL: 'silent',
  })
  const app = await buildApp(config)
  const contract = await app.contractApplication()
  await contract.ready()
  const yaml = contract.swagger({ yaml: true })
  await app.close()
  return tidied(yaml)
}

/** In quotes what YAML 1.1 would take for a time, a number or false; references and short lists on one line. */
function tidied(yaml: string): string {
  return yaml
    .replaceAll(/: (no|\.|\d{4}-\d\d-\d\dT\S+)$/gm, ': "$1"')
    .replaceAll(/:\n +(\$ref: \S+)$/gm, ': { $1 }')
    .replaceAll(/:((?:\n +- [\w"-]+)+)$/gm, (list: string, items: string) => {
      const line = `: [${items
        .split(/\n +- /)
        .slice(1)
        .join(', ')}]`
      return line.length < MAX_LIST_LENGTH ? line : list
    })
}

if (import.meta.main) {
  const yaml = await generateOpenApi()
  if (!process.argv.includes('--check')) {
    await writeFile(file, yaml)
  } else if (yaml !== (await readFile(file, 'utf8'))) {
    process.stderr.write('openapi.yaml is stale: run `npm run openapi` and commit it.\n')
    process.exitCode = 1
  }
}
