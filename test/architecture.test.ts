import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import t from 'tap'

const root = resolve(import.meta.dirname, '..')
const filesOf = (folder: string) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name))

/** What a file imports: packages by name, files by their path from the root. */
function importsOf(file: string): string[] {
  return importsIn(readFileSync(join(root, file), 'utf8'), file)
}

/** The same without types, which are gone when it runs. */
function loadedBy(file: string): string[] {
  const source = readFileSync(join(root, file), 'utf8')
  return importsIn(source.replaceAll(/^import type [^']+'[^']+'$/gm, ''), file)
}

function importsIn(source: string, file: string): string[] {
  return [...source.matchAll(/(?:^|\n)(?:import|export)[^'\n]*(?:\n[^'\n]*)*?from '([^']+)'/g)].map(
    ([, specifier = '']) =>
      specifier.startsWith('.')
        ? relative(root, resolve(root, dirname(file), specifier))
        : specifier,
  )
}

/** Those of `src` that put the rest together; imports point away from them. */
const TOP = ['src/server.ts', 'src/run.ts', 'src/app.ts', 'src/write-openapi.ts']
const core = filesOf('src').filter((file) => !TOP.includes(file))

t.test('finds imports at all', async (t) => {
  t.ok(importsOf('src/app.ts').includes('plugins/job-quality.ts'))
  t.ok(importsOf('src/app.ts').includes('fastify'))
})

t.test('src knows neither Fastify nor plugins nor routes', async (t) => {
  for (const file of core) {
    const wrong = importsOf(file).filter(
      (name) =>
        /^(@?fastify|plugins\/|routes\/|simulator\/|test\/)/.test(name) || TOP.includes(name),
    )
    t.strictSame(wrong, [], file)
  }
})

t.test('only app and server know the configuration', async (t) => {
  for (const file of [...core, ...filesOf('plugins'), ...filesOf('routes')]) {
    t.notOk(importsOf(file).includes('src/config.ts'), file)
  }
})

t.test(
  'plugins and routes import from src, never from what puts them together; plugins never import routes',
  async (t) => {
    for (const file of [...filesOf('plugins'), ...filesOf('routes')]) {
      const forbidden = file.startsWith('plugins/')
        ? /^(routes|simulator|test)\//
        : /^(simulator|test)\//
      t.strictSame(
        importsOf(file).filter((name) => forbidden.test(name) || TOP.includes(name)),
        [],
        file,
      )
    }
  },
)

t.test('nothing that runs in production imports the simulator or a tool', async (t) => {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  for (const file of [...filesOf('src'), ...filesOf('plugins'), ...filesOf('routes')]) {
    const packages = loadedBy(file)
      .filter((name) => !/^(node:|src\/|plugins\/|routes\/|package\.json)/.test(name))
      .map((name) => name.match(/^(@[^/]+\/)?[^/]+/)?.[0] ?? name)
    for (const name of packages) t.ok(name in dependencies, `${file} imports ${name}`)
  }
})

t.test('only the entry reads the environment', async (t) => {
  for (const file of [...core, 'src/app.ts', ...filesOf('plugins'), ...filesOf('routes')]) {
    t.notMatch(readFileSync(join(root, file), 'utf8'), /process\.env/, file)
  }
})

t.test(
  'nothing is named for what it is not, and every export is named and documented',
  async (t) => {
    for (const file of [...filesOf('src'), ...filesOf('plugins'), ...filesOf('routes')]) {
      t.notMatch(file, /(utils?|helpers?|common|types|services?|managers?)\.ts$/, file)
      const source = readFileSync(join(root, file), 'utf8')
      t.notMatch(source, /export default/, file)
      for (const [line] of source.matchAll(/(?:^|\n)[^\n]*\nexport [^\n]*/g)) {
        t.match(line, /\*\/\nexport|^export \{/, `${file}: ${line.trim()}`)
      }
    }
  },
)
