import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import t from 'tap'

const root = resolve(import.meta.dirname, '..')
const filesOf = (folder: string) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name))

/** The imports of a file: packages by name, files by their path from the root. */
function importsOf(file: string): string[] {
  return importsIn(readFileSync(join(root, file), 'utf8'), file)
}

/** Without type imports, which do not exist at run time. */
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

/** The composition: it imports everything, and nothing imports it. */
const COMPOSITION = ['src/server.ts', 'src/run-service.ts', 'src/app.ts', 'src/check.ts']
/** The entries of processes. */
const ENTRIES = ['src/server.ts', 'src/check.ts']
const core = filesOf('src').filter((file) => !COMPOSITION.includes(file))
const service = [...filesOf('src'), ...filesOf('plugins'), ...filesOf('routes')]
const client = filesOf('client/src')
/** The public module of the client package; it exports only what others declare. */
const CLIENT_ENTRY = 'client/src/index.ts'

t.test('finds imports', async (t) => {
  t.ok(importsOf('plugins/index.ts').includes('plugins/job-reader.ts'))
  t.ok(importsOf('src/app.ts').includes('fastify'))
})

t.test('src has no loose files beside the composition', async (t) => {
  const loose = core.filter((file) => file.split('/').length === 2)
  t.strictSame(loose, [])
})

t.test('the entry handles signals before it loads anything but the compile cache', async (t) => {
  t.strictSame(importsOf('src/server.ts'), ['node:module'])
})

t.test('src imports neither Fastify nor plugins nor routes', async (t) => {
  for (const file of core) {
    const wrong = importsOf(file).filter(
      (name) =>
        /^(@?fastify|plugins\/|routes\/|simulator\/|test\/|tools\/)/.test(name) ||
        COMPOSITION.includes(name),
    )
    t.strictSame(wrong, [], file)
  }
})

t.test(
  'only the composition, its checks and the two index files use the configuration',
  async (t) => {
    const checks = 'src/check/run-checks.ts'
    const allowed = [...COMPOSITION, checks, 'plugins/index.ts', 'routes/index.ts']
    for (const file of service.filter((name) => !allowed.includes(name))) {
      t.notOk(importsOf(file).includes('src/config/config.ts'), file)
    }
  },
)

t.test(
  'plugins and routes do not import the composition; plugins do not import routes',
  async (t) => {
    for (const file of [...filesOf('plugins'), ...filesOf('routes')]) {
      const forbidden = file.startsWith('plugins/')
        ? /^(routes|simulator|test|tools)\//
        : /^(simulator|test|tools)\//
      t.strictSame(
        importsOf(file).filter((name) => forbidden.test(name) || COMPOSITION.includes(name)),
        [],
        file,
      )
    }
  },
)

t.test('only the plugin of Redis, the configuration and the check import Redis', async (t) => {
  const allowed = /^(src\/redis\/|src\/config\/|src\/check\/|plugins\/redis-fleet\.ts$)/
  for (const file of service.filter((name) => !allowed.test(name))) {
    const redis = importsOf(file).filter((name) => /^(src\/redis\/|@redis\/)/.test(name))
    t.strictSame(redis, [], file)
  }
  // A dynamic import loads it only if REDIS_URL is set.
  for (const file of service) t.notOk(loadedBy(file).includes('plugins/redis-fleet.ts'), file)
})

t.test('the service imports production dependencies only', async (t) => {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  for (const file of service) {
    const packages = loadedBy(file)
      .filter((name) => !/^(node:|src\/|plugins\/|routes\/|package\.json)/.test(name))
      .map((name) => name.match(/^(@[^/]+\/)?[^/]+/)?.[0] ?? name)
    for (const name of packages) t.ok(name in dependencies, `${file} imports ${name}`)
  }
})

t.test('the service uses no private member and no undocumented path', async (t) => {
  for (const file of service) {
    const source = readFileSync(join(root, file), 'utf8')
    const subpaths = loadedBy(file).filter((name) => /^(@[^/]+\/)?[^./@][^/]*\/./.test(name))
    const deep = subpaths.filter((name) => !/^(node:|src\/|plugins\/|routes\/)/.test(name))
    t.strictSame(deep, [], `${file}: no path inside a package`)
    // `_read` and `_destroy` are documented for implementers of streams.
    const members = [...source.matchAll(/\.(_\w+)|\b(_\w+)(?=\s*[}:,]\s*(?:underWay|\}))/g)]
      .map(([, member]) => member)
      .filter((member) => member !== undefined)
    t.strictSame(members, [], `${file}: no member with an underscore`)
    t.notMatch(source, /process\.binding|getBuiltinModule|Symbol\.for\(|\bas any\b/, file)
  }
})

t.test('the client package imports its own files and its dependencies only', async (t) => {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'client/package.json'), 'utf8'))
  for (const file of client) {
    const foreign = importsOf(file).filter(
      (name) => !name.startsWith('client/src/') && !(name in dependencies),
    )
    t.strictSame(foreign, [], file)
    t.notOk(importsOf(file).includes(CLIENT_ENTRY), file)
  }
})

t.test('only the entries read the environment', async (t) => {
  for (const file of service.filter((name) => !ENTRIES.includes(name))) {
    t.notMatch(readFileSync(join(root, file), 'utf8'), /process\.env/, file)
  }
})

t.test('files have specific names, and exports are named and documented', async (t) => {
  for (const file of [...service, ...client].filter((name) => name !== CLIENT_ENTRY)) {
    t.notMatch(file, /\/(utils?|helpers?|common|types|services?|managers?)\.ts$/, file)
    const source = readFileSync(join(root, file), 'utf8')
    t.notMatch(source, /export default/, file)
    for (const [line] of source.matchAll(/(?:^|\n)[^\n]*\nexport [^\n]*/g)) {
      t.match(line, /\*\/\nexport|^export \{/, `${file}: ${line.trim()}`)
    }
  }
})
