import { readFile, writeFile } from 'node:fs/promises'
import { GENERATORS } from './generators.ts'
import { SENDERS } from './senders.ts'
import { VALIDATORS } from './validators.ts'
import { type Check, prepareWorkspace, type Workspace } from './workspace.ts'

const CONTRACT = new URL('../../openapi.yaml', import.meta.url)
const PAGE = new URL('../../docs/clients.md', import.meta.url)
const MARKERS = /(<!-- compatibility: begin.*-->\n)[\s\S]*(<!-- compatibility: end -->)/

/** Tries a tool. Returns a row of the table. */
async function row(workspace: Workspace, packageName: string, check: Check): Promise<string> {
  const version = await workspace.versionOf(packageName)
  let outcome: string
  try {
    outcome = `works: ${await check(workspace, packageName)}`
  } catch (error) {
    process.exitCode = 1
    process.stderr.write(`${packageName} ${version}: ${error}\n`)
    outcome = '**fails**'
  }
  process.stdout.write(`${packageName} ${version}: ${outcome}\n`)
  return `| \`${packageName}\` | ${version} | ${outcome} |`
}

const workspace = await prepareWorkspace(CONTRACT)
const rows: string[] = []
for (const [name, check] of Object.entries({ ...VALIDATORS, ...GENERATORS, ...SENDERS })) {
  rows.push(await row(workspace, name, check))
}
const table = ['| tool | version | outcome |', '|---|---|---|', ...rows].join('\n')
const page = await readFile(PAGE, 'utf8')
if (!MARKERS.test(page)) throw new Error('docs/clients.md has no markers for the table')
await writeFile(
  PAGE,
  page.replace(MARKERS, (_, begin, end) => `${begin}\n${table}\n\n${end}`),
)
