import { execFile } from 'node:child_process'
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { startProcess } from '../support/start-process.ts'

const root = resolve(import.meta.dirname, '../..')
const packageJson = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
const required = Number.parseInt(packageJson.engines.node.match(/\d+/)[0], 10)

/** The scripts that users and new contributors run. */
const SCRIPTS = ['start', 'check', 'demo', 'simulator', 'chaos', 'streams', 'test']

/** The path of a Node that is older than the required one, if there is one on PATH. */
async function findOlderNode(): Promise<string | undefined> {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, 'node')
    const { stdout } = await promisify(execFile)(path, ['--version']).catch(() => ({ stdout: '' }))
    const [, major] = stdout.match(/^v(\d+)\./) ?? []
    if (Number(major) < required) return path
  }
  return undefined
}

const olderNode = await findOlderNode()

t.test(
  'with an older Node, each script says in one line what to do',
  { skip: olderNode ? false : `there is no Node older than ${required} on PATH` },
  async (t) => {
    const folder = t.testdir({})
    await symlink(olderNode ?? '', join(folder, 'node'))
    const PATH = `${folder}:/usr/bin:/bin`
    for (const script of SCRIPTS) {
      const { output, ended } = startProcess(
        t,
        [],
        { PATH },
        { command: ['sh', '-c', packageJson.scripts[script], 'sh'] },
      )
      t.equal(await ended, 1, script)
      t.equal(output.stdout, '')
      t.match(
        output.stderr,
        /^cdf-job-quality needs Node \d+, and this is v\d\S+ \(\S+\)\. Run `npm ci --ignore-scripts=false`.*\n$/,
      )
    }
  },
)

t.test('npm run fails if Node is older than package.json requires', async (t) => {
  const folder = t.testdir({})
  const engines = { node: `>=${Number.parseInt(process.versions.node, 10) + 1}` }
  await writeFile(join(folder, 'package.json'), JSON.stringify({ ...packageJson, engines }))
  await mkdir(join(folder, 'tools'))
  await cp(join(root, 'tools/require-node.js'), join(folder, 'tools/require-node.js'))
  const PATH = `${dirname(process.execPath)}:${process.env.PATH}`
  for (const script of SCRIPTS) {
    const { output, ended } = startProcess(
      t,
      [],
      // npm skips scripts such as `prestart` then.
      { PATH, npm_config_ignore_scripts: 'true' },
      { cwd: folder, command: ['npm', 'run', '--silent', script] },
    )
    t.equal(await ended, 1, script)
    t.match(output.stderr, /^cdf-job-quality needs Node \d+, and this is v\d.*\n$/)
  }
})
