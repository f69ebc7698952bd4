import { access, readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import t from 'tap'
import packageJson from '../package.json' with { type: 'json' }
import { loadConfig } from '../src/config/config.ts'
import { VARIABLES } from '../src/config/environment.ts'
import { readRecipes } from './support/recipes.ts'

const root = resolve(import.meta.dirname, '..')
const read = (path: string) => readFile(join(root, path), 'utf8')
const filesIn = async (folder: string) =>
  (await readdir(join(root, folder))).filter((name) => name.endsWith('.md'))

const PAGES = [
  ...(await filesIn('.')),
  ...(await filesIn('docs')).map((name) => join('docs', name)),
  'client/README.md',
].sort()
const texts = new Map(
  await Promise.all(PAGES.map(async (page) => [page, await read(page)] as const)),
)
const textOf = (page: string) => texts.get(page) ?? ''

const withoutCode = (text: string) => text.replaceAll(/^```[\s\S]*?^```$/gm, '')

/** The anchors of a page's headings, as GitHub generates them. */
function anchorsOf(page: string): Set<string> {
  const headings = withoutCode(textOf(page)).matchAll(/^#+ (.*)$/gm)
  return new Set(
    [...headings].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}_\- ]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )
}

t.test('every link leads to a file and a heading that exist', async (t) => {
  for (const page of PAGES) {
    const links = withoutCode(textOf(page)).matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)
    for (const [, path = '', anchor] of links) {
      const target = path === '' ? page : join(dirname(page), path)
      await t.resolves(access(join(root, target)), `${page}: ${target}`)
      if (anchor !== undefined && target.endsWith('.md'))
        t.ok(anchorsOf(target).has(anchor), `${page}: ${target}#${anchor}`)
    }
  }
})

t.test('every path, script and variable that a page names exists', async (t) => {
  const FOLDERS = 'src|client|plugins|routes|tools|simulator|bench|test|deploy|docs'
  for (const page of PAGES) {
    const text = textOf(page)
    for (const [, path = ''] of text.matchAll(new RegExp(`\`((?:${FOLDERS})/[\\w./-]*)\``, 'g')))
      await t.resolves(access(join(root, path)), `${page}: ${path}`)
    for (const [, script = ''] of text.matchAll(/npm run ([\w:]+)/g))
      t.ok(script in packageJson.scripts, `${page}: npm run ${script}`)
    const variables =
      /`((?:CDF|IDP|AUTH|UPSTREAM|JOB|SHUTDOWN|METRICS|RATE|CALLER|TRUST|DOCS|CORS|KEEP|PUBLIC|REDIS)_[A-Z_]+)/g
    for (const [, name = ''] of text.matchAll(variables))
      t.ok(name in VARIABLES, `${page}: ${name}`)
  }
})

t.test('the README fits on a few screens, and so does its picture', async (t) => {
  t.ok(textOf('README.md').trimEnd().split('\n').length <= 120)
  t.ok((await stat(join(root, 'docs/demo.png'))).size < 200_000)
})

t.test('docs/configuration.md and .env.example list every variable and its default', async (t) => {
  const example = (await read('.env.example')).split('\n')
  const rows = textOf('docs/configuration.md').split('\n')
  for (const [name, variable] of Object.entries(VARIABLES)) {
    const value = String(variable.default ?? '')
    const line = `${name}=${value}`
    t.ok(example.includes(line) || example.includes(`# ${line}`), `${line} in .env.example`)
    const row = rows.find((text) => text.startsWith(`| \`${name}\` |`))
    t.ok(row, `${name} in docs/configuration.md`)
    if (value) t.match(row, `\`${value}\``, name)
  }
})

t.test('every recipe in docs/configuration.md is a valid configuration', async (t) => {
  const folder = t.testdir({ secret: 'a secret' })
  const recipes = await readRecipes()
  t.ok(recipes.size >= 8)
  for (const [title, variables] of recipes) {
    t.doesNotThrow(
      () => loadConfig({ ...variables, IDP_CLIENT_SECRET_FILE: join(folder, 'secret') }),
      title,
    )
  }
})
