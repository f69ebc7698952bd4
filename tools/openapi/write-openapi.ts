import { readFile, writeFile } from 'node:fs/promises'
import type { RouteOptions } from 'fastify'
import packageJson from '../../package.json' with { type: 'json' }
import { buildApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config/config.ts'
import { describeRoutes } from './describe-routes.ts'
import { openApiDocument } from './openapi-document.ts'

/** Longer lists are easier to read with one item per line. */
const MAX_LIST_LENGTH = 60

const file = new URL('../../openapi.yaml', import.meta.url)

/** Generates the contract from the routes and their operations. No request is sent. */
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
  const routes: RouteOptions[] = []
  const onRoute = (route: RouteOptions) => {
    if (route.method === 'GET' && !route.schema?.hide) routes.push(route)
  }
  const app = await buildApp(config, { onRoute })
  await app.ready()
  await app.close()
  return tidy(
    await openApiDocument(describeRoutes(routes.map(({ url }) => url)), packageJson.version),
  )
}

/** Quotes what YAML 1.1 parses as a time, a number or false; puts references and short lists on one line. */
function tidy(yaml: string): string {
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
