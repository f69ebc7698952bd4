import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'

const root = resolve(import.meta.dirname, '../..')
const read = (path: string) => readFile(join(root, path), 'utf8')

/** A step of a job of a workflow. */
interface Step {
  uses?: string
  run?: string
  with?: Record<string, unknown>
}

/** A GitHub Actions workflow. */
interface Workflow {
  permissions: object
  concurrency: { group: string }
  jobs: Record<
    string,
    { needs?: string; 'timeout-minutes': number; permissions?: object; steps: Step[] }
  >
}

t.test(
  'the workflow runs .ci/run with the Node version of the project and read permissions',
  async (t) => {
    const workflow: Workflow = parse(await read('.github/workflows/ci.yml'))
    const { permissions, concurrency, jobs } = workflow
    t.ok(jobs.check?.steps.some((step) => step.run === '.ci/run'))
    t.strictSame(permissions, { contents: 'read' })
    t.ok(concurrency.group)
    const { devDependencies } = JSON.parse(await read('package.json'))
    const major = Number(devDependencies.node.split('.')[0])
    for (const { steps, ...job } of Object.values(jobs)) {
      t.ok(job['timeout-minutes'] > 0)
      t.equal(job.permissions, undefined)
      const settingsOf = (action: string) =>
        steps.find(({ uses }) => uses?.startsWith(`${action}@`))?.with
      if (steps.some(({ run }) => run?.startsWith('npm') || run === '.ci/run'))
        t.equal(settingsOf('actions/setup-node')?.['node-version'], major)
      t.equal(settingsOf('actions/checkout')?.['persist-credentials'], false)
      for (const { uses } of steps.filter((step) => step.uses !== undefined))
        t.match(uses, /^actions\/[\w-]+@v\d+(\.\d+)*$/, 'an action of GitHub with a version tag')
    }
  },
)

t.test(
  'the release workflow checks the tag, and publishes with an SBOM and provenance',
  async (t) => {
    const workflow: Workflow = parse(await read('.github/workflows/release.yml'))
    const { check, publish } = workflow.jobs
    t.strictSame(workflow.permissions, { contents: 'read' })
    t.equal(check?.permissions, undefined)
    t.ok(check?.steps.some((step) => step.run === '.ci/run'))
    t.equal(publish?.needs, 'check')
    t.match(publish?.permissions, { 'id-token': 'write', attestations: 'write' })
    const commands = publish?.steps.map((step) => step.run).join('\n') ?? ''
    for (const part of ['--sbom=true', '--provenance=mode=max', 'changelog.ts notes', 'npm run'])
      t.match(commands, part)
    for (const { steps } of [check, publish].filter((job) => job !== undefined)) {
      for (const { uses } of steps.filter((step) => step.uses !== undefined))
        t.match(uses, /^actions\/[\w-]+@v\d+(\.\d+)*$/, 'an action of GitHub with a version tag')
      // An expression in a script can inject commands.
      for (const { run = '' } of steps) t.notMatch(run, '${{')
    }
  },
)

t.test('Dependabot updates all ecosystems', async (t) => {
  const ecosystems = {
    npm: 'package-lock.json',
    'github-actions': '.github/workflows/ci.yml',
    docker: 'Dockerfile',
    'docker-compose': 'compose.yaml',
  }
  for (const file of Object.values(ecosystems)) await t.resolves(read(file), file)
  const { updates }: { updates: { 'package-ecosystem': string }[] } = parse(
    await read('.github/dependabot.yml'),
  )
  t.strictSame(
    updates.map((update) => update['package-ecosystem']).sort(),
    Object.keys(ecosystems).sort(),
  )
  for (const update of updates)
    t.match(update, { directory: '/', schedule: { interval: 'weekly' } })
})

t.test('all repository URLs contain the same placeholder', async (t) => {
  t.match(await read('.github/CODEOWNERS'), /^\* @your-org\/cdf-job-quality$/m)
  for (const file of [
    'client/package.json',
    'deploy/prometheus/alerts.yaml',
    'deploy/grafana/dashboard.json',
  ]) {
    const homes = (await read(file)).matchAll(/https:\/\/github\.com\/([\w-]+\/[\w-]+)/g)
    for (const [, home] of homes) t.equal(home, 'your-org/cdf-job-quality', file)
  }
})
