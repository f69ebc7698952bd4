import { execFile } from 'node:child_process'
import { cp, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { releaseChangelog, releaseNotes } from '../../tools/release/changelog.ts'

const run = promisify(execFile)
const root = resolve(import.meta.dirname, '../..')

const CHANGELOG = `# Changelog

## [Unreleased]

### Added

- A route.

## [0.1.0] - 2026-01-07

- The first version.
`

t.test('a release moves the unreleased entries to the new version', async (t) => {
  const released = releaseChangelog(CHANGELOG, '0.2.0', '2026-11-26')
  t.match(released, '## [Unreleased]\n\n## [0.2.0] - 2026-11-26\n\n### Added\n\n- A route.\n')
  t.equal(releaseNotes(released, '0.2.0'), '### Added\n\n- A route.\n')
  t.equal(releaseNotes(released, '0.1.0'), '- The first version.\n')
})

t.test('a release needs entries, a new version, and the heading', async (t) => {
  const empty = releaseChangelog(CHANGELOG, '0.2.0', '2026-11-26')
  t.throws(() => releaseChangelog(empty, '0.3.0', '2026-11-27'), /nothing under Unreleased/)
  t.throws(() => releaseChangelog(CHANGELOG, '0.1.0', '2026-11-26'), /released already/)
  t.throws(() => releaseChangelog('# Changelog\n', '0.1.0', '2026-11-26'), /no heading/)
  t.throws(() => releaseNotes(CHANGELOG, '9.9.9'), /no section/)
})

t.test(
  'npm version makes one commit with a tag, the changelog, the contract and the client package',
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'release-'))
    t.teardown(() => rm(folder, { recursive: true }))
    await cp(root, folder, {
      recursive: true,
      filter: (path) => !/^(node_modules|\.git|\.tap)$/.test(relative(root, path)),
    })
    const git = async (...args: string[]) => (await run('git', args, { cwd: folder })).stdout
    await git('init', '--quiet')
    await git('config', 'user.name', 'Release')
    await git('config', 'user.email', 'release@example.com')
    await git('add', '.')
    await git('commit', '--quiet', '--message=all')
    await writeFile(join(folder, '.git/info/exclude'), 'node_modules')
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
    const environment = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !/^(npm_|TAP|NODE_OPTIONS)/.test(name)),
    )
    await run('npm', ['version', '7.0.0'], { cwd: folder, env: environment })

    t.equal((await git('describe', '--tags', '--exact-match')).trim(), 'v7.0.0')
    t.strictSame((await git('show', '--name-only', '--format=')).trim().split('\n').sort(), [
      'CHANGELOG.md',
      'client/package.json',
      'openapi.yaml',
      'package-lock.json',
      'package.json',
      'tools/openapi/released.yaml',
    ])
    const contract = await git('show', 'HEAD:openapi.yaml')
    t.match(contract, /^ {2}version: 7\.0\.0$/m)
    t.equal(await git('show', 'HEAD:tools/openapi/released.yaml'), contract)
    t.equal(JSON.parse(await git('show', 'HEAD:client/package.json')).version, '7.0.0')
    const { packages } = JSON.parse(await git('show', 'HEAD:package-lock.json'))
    t.equal(packages.client.version, '7.0.0')
    t.match(await git('show', 'HEAD:CHANGELOG.md'), /^## \[7\.0\.0\] - \d{4}-\d\d-\d\d$/m)
  },
)
