import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { parse } from 'yaml'
import { DEMO_JOBS } from '../simulator/demo-jobs.ts'
import { lasting } from '../simulator/simulated-job.ts'
import { startSimulator } from '../simulator/start-simulator.ts'
import { loadConfig } from '../src/config.ts'
import type { VariableName } from '../src/environment.ts'
import { VARIABLES } from '../src/environment.ts'
import { openEvents } from './event-stream.ts'
import { freePort, JOB_ID, request, startService, until } from './helper.ts'
import type { Container } from './manifests.ts'
import {
  FOLDERS,
  mistakesIn,
  ofKind,
  readKustomization,
  readResources,
  resourcesIn,
  selects,
  variablesOf,
} from './manifests.ts'
import { startProcess } from './process.ts'

const root = resolve(import.meta.dirname, '..')
const read = (path: string) => readFile(join(root, path), 'utf8')
const run = promisify(execFile)

/** Why a program cannot be used; `false` if it can. */
const lacks = (program: string, ...args: string[]): Promise<string | false> =>
  run(program, args).then(
    () => false as const,
    () => `${program} is not installed`,
  )

/** What of it tests ask for. */
interface PackageJson {
  name: string
  version: string
  scripts: Record<string, string>
  devDependencies: { node: string }
}

const packageJson: PackageJson = JSON.parse(await read('package.json'))
const isVariable = (name: string) => Object.hasOwn(VARIABLES, name)
const defaultOf = (name: VariableName) => Number(VARIABLES[name].default)

// --- Kubernetes ----------------------------------------------------------------------------------

const EXAMPLE = 'deploy/kubernetes/example'
const resources = (await Promise.all(FOLDERS.map(readResources))).flat()
const base = await readKustomization('deploy/kubernetes/base')
const example = await readKustomization(EXAMPLE)
const deployment = ofKind(resources, 'Deployment')
const service = ofKind(resources, 'Service')
const autoscaler = ofKind(resources, 'HorizontalPodAutoscaler')
const disruptionBudget = ofKind(resources, 'PodDisruptionBudget')
const networkPolicy = ofKind(resources, 'NetworkPolicy')
const serviceMonitor = ofKind(resources, 'ServiceMonitor')
const pod = deployment.spec.template
const [container] = pod.spec.containers as [Container]

const baseEnvironment = variablesOf(await read('deploy/kubernetes/base/environment.env'))
const environment: Record<string, string> = {
  ...baseEnvironment,
  ...variablesOf(await read(`${EXAMPLE}/environment.env`)),
}

t.test(
  'every resource is what its kind demands, and has no field that it does not know',
  async (t) => {
    t.ok(resources.length >= 9)
    for (const resource of resources) t.strictSame(await mistakesIn(resource), [], resource.kind)
  },
)

t.test('a misspelt field, a wrong type and a missing field are found', async (t) => {
  const changed = (before: string | RegExp, after: string) =>
    mistakesIn(JSON.parse(JSON.stringify(deployment).replace(before, after)))
  t.strictSame(await changed('"livenessProbe":{"httpGet"', '"livenesProbe":{"http"'), [
    '/spec/template/spec/containers/0/livenesProbe is unknown',
    ...[
      'http',
      'http/path',
      'http/port',
      'periodSeconds',
      'timeoutSeconds',
      'failureThreshold',
    ].map((path) => `/spec/template/spec/containers/0/livenesProbe/${path} is unknown`),
  ])
  t.match(
    (await changed(/GracePeriodSeconds":\d+/, 'GracePeriodSeconds":"30s"'))[0],
    /PeriodSeconds/,
  )
  t.match((await changed('"selector":', '"selektor":'))[0], /selector/)
  t.strictSame(await changed('"spec":{', '"specs":{},"spec":{'), ['/specs is unknown'])
})

t.test('each kustomization lists every file beside it, and nothing else', async (t) => {
  for (const folder of FOLDERS) {
    const { resources = [], components = [], ...others } = await readKustomization(folder)
    const variables = (others.configMapGenerator ?? []).flatMap(({ envs }) => envs)
    const listed = [...resources, ...variables].filter((name) => !name.startsWith('..'))
    const files = (await readdir(join(root, folder))).filter(
      (name) => name !== 'kustomization.yaml',
    )
    t.strictSame(listed.sort(), files.sort(), folder)
    for (const name of [...resources, ...components].filter((one) => one.startsWith('..')))
      t.ok(FOLDERS.includes(join(folder, name)), `${folder}/${name}`)
  }
})

t.test('names and selectors lead to what is there', async (t) => {
  const { labels } = pod.metadata
  for (const { matchLabels } of [
    deployment.spec.selector,
    disruptionBudget.spec.selector,
    networkPolicy.spec.podSelector,
    ...pod.spec.topologySpreadConstraints.map(({ labelSelector }) => labelSelector),
  ])
    t.ok(selects(matchLabels, labels))
  t.ok(selects(service.spec.selector, labels))
  t.ok(selects(serviceMonitor.spec.selector.matchLabels, service.metadata.labels))
  // The alerts and the dashboard select by this value of `job`.
  t.equal(service.metadata.labels[serviceMonitor.spec.jobLabel], packageJson.name)

  const { apiVersion, kind, metadata } = deployment
  t.strictSame(autoscaler.spec.scaleTargetRef, { apiVersion, kind, name: metadata.name })
  const [generated] = base.configMapGenerator ?? []
  t.strictSame(container.envFrom, [{ configMapRef: { name: generated?.name } }])
  t.match(example.configMapGenerator, [{ name: generated?.name, behavior: 'merge' }])
})

t.test('ports have the same names and numbers everywhere', async (t) => {
  const ports = container.ports.map(({ name, containerPort }) => ({ name, port: containerPort }))
  t.strictSame(
    service.spec.ports.map(({ name, port, targetPort }) => [name, port, targetPort]),
    ports.map(({ name, port }) => [name, port, name]),
  )
  const { PORT, METRICS_PORT } = environment
  t.strictSame(ports, [
    { name: 'http', port: Number(PORT) },
    { name: 'metrics', port: Number(METRICS_PORT) },
  ])
  t.match(serviceMonitor.spec.endpoints, [{ port: 'metrics' }])
  const paths = ofKind(resources, 'Ingress').spec.rules.flatMap(({ http }) => http.paths)
  t.strictSame(
    paths.map(({ backend }) => backend.service),
    [{ name: service.metadata.name, port: { name: 'http' } }],
  )
})

t.test('the network policy lets in and out what it says, and no more', async (t) => {
  const { policyTypes, ingress, egress } = networkPolicy.spec
  t.strictSame(policyTypes, ['Ingress', 'Egress'])
  for (const { from } of ingress) t.ok(from.length > 0, 'not from everywhere')
  const portsOf = (rules: typeof egress) =>
    rules.flatMap(({ ports }) => ports.map(({ protocol, port }) => `${protocol} ${port}`))
  t.strictSame(portsOf(ingress), ['TCP http', 'TCP metrics'])
  t.strictSame(portsOf(egress), ['UDP 53', 'TCP 53', 'TCP 443'])
})

t.test('pods may do as little as Kubernetes can make them', async (t) => {
  t.match(pod.spec, {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
  })
  // By number: from a name in the image the kubelet cannot tell that it is not root.
  t.ok(pod.spec.securityContext.runAsUser > 0)
  t.strictSame(container.securityContext, {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  })
  for (const name of ['hostNetwork', 'hostPID', 'hostIPC']) t.notOk(name in pod.spec)
  t.strictSame(Object.keys(container.resources.limits), ['memory'])
  const { labels } = ofKind(resources, 'Namespace').metadata
  t.equal(labels['pod-security.kubernetes.io/enforce'], 'restricted')
})

t.test('probes ask paths of the contract, and have patience before they kill', async (t) => {
  const contract: { paths: Record<string, object> } = parse(await read('openapi.yaml'))
  const { startupProbe, livenessProbe, readinessProbe } = container
  for (const { httpGet } of [startupProbe, livenessProbe, readinessProbe]) {
    t.ok(contract.paths[httpGet.path], httpGet.path)
    t.equal(httpGet.port, 'http')
  }
  t.equal(livenessProbe.httpGet.path, '/health/live')
  t.equal(readinessProbe.httpGet.path, '/health/ready')
  t.ok(livenessProbe.periodSeconds * livenessProbe.failureThreshold >= 60)
})

t.test('every variable exists, and the service takes them all together', async (t) => {
  for (const name of Object.keys(environment)) t.ok(isVariable(name), name)
  const folder = t.testdir({ 'client-secret': 'a secret\n' })
  const secretInPlace = { IDP_CLIENT_SECRET_FILE: join(folder, 'client-secret') }
  t.match(loadConfig({ ...environment, ...secretInPlace }), {
    listen: { host: '0.0.0.0', port: 3000 },
    cdf: { project: environment.CDF_PROJECT },
    door: { jwt: { audience: environment.AUTH_AUDIENCE } },
  })
  t.throws(() => loadConfig(environment), { name: 'ConfigError' }, 'the file is not here')
  t.throws(
    () => loadConfig({ ...baseEnvironment, ...secretInPlace }),
    { name: 'ConfigError' },
    'the base alone has no values of its own',
  )
})

t.test('no secret is written down, and a rotated one arrives', async (t) => {
  t.notOk(resources.some(({ kind }) => kind === 'Secret'))
  for (const kustomization of [base, example]) t.notOk('secretGenerator' in kustomization)
  t.notOk('IDP_CLIENT_SECRET' in environment)

  const [volume] = pod.spec.volumes
  const [item] = volume?.secret.items ?? []
  const [mount] = container.volumeMounts
  t.equal(mount?.name, volume?.name)
  t.equal(mount?.readOnly, true)
  t.equal(mount?.subPath, undefined, 'Kubernetes never changes what is mounted by subPath')
  t.equal(environment.IDP_CLIENT_SECRET_FILE, `${mount?.mountPath}/${item?.path}`)
  t.equal(volume?.secret.defaultMode, 0o440)
  t.ok(pod.spec.securityContext.fsGroup, 'the group that may read it')
  for (const file of [`${EXAMPLE}/kustomization.yaml`, 'docs/operations.md'])
    t.match(await read(file), `generic ${volume?.secret.secretName} --from-file=${item?.key}=`)
})

t.test('a pod gets more time to end than the service takes for it', async (t) => {
  const { SHUTDOWN_DELAY_MS, SHUTDOWN_GRACE_MS } = environment
  const takesSeconds = (Number(SHUTDOWN_DELAY_MS) + Number(SHUTDOWN_GRACE_MS)) / 1000
  t.ok(pod.spec.terminationGracePeriodSeconds >= takesSeconds + 5)
  t.ok(
    Number(SHUTDOWN_GRACE_MS) >= defaultOf('UPSTREAM_DEADLINE_MS'),
    'and what is in flight more than a read can take',
  )
  t.equal(container.lifecycle, undefined, 'the service itself waits')
})

t.test('a rollout never has fewer pods, and a drain takes one at a time', async (t) => {
  const { strategy, replicas } = deployment.spec
  t.strictSame(strategy.rollingUpdate, { maxUnavailable: 0, maxSurge: 1 })
  t.equal(replicas, undefined, 'their number belongs to the autoscaler')
  t.equal(disruptionBudget.spec.maxUnavailable, 1)
  t.ok(autoscaler.spec.minReplicas >= 2)
})

t.test('all replicas together ask CDF for no more than twice what one process would', async (t) => {
  const placesOfAll = autoscaler.spec.maxReplicas * Number(environment.UPSTREAM_MAX_CONCURRENCY)
  t.ok(placesOfAll <= 2 * defaultOf('UPSTREAM_MAX_CONCURRENCY'))
})

t.test('the example names a version of the image that there is', async (t) => {
  t.match(example.images, [{ name: container.image, newTag: packageJson.version }])
})

t.test(
  'kustomize makes of it what was meant',
  { skip: await lacks('kubectl', 'version', '--client') },
  async (t) => {
    const { stdout } = await run('kubectl', ['kustomize', join(root, EXAMPLE)])
    const made = resourcesIn(stdout)
    const kindsOf = (these: typeof made) => these.map(({ kind }) => kind)
    t.strictSame(kindsOf(made).sort(), ['ConfigMap', ...kindsOf(resources)].sort())
    for (const resource of made) {
      t.strictSame(await mistakesIn(resource), [], resource.kind)
      if (resource.kind !== 'Namespace')
        t.equal(resource.metadata.namespace, 'cdf-job-quality', resource.kind)
    }
    const { metadata, data } = ofKind(made, 'ConfigMap')
    t.strictSame(data, environment)
    t.match(metadata.name, /^cdf-job-quality-\w+$/, 'a changed value is a new name')
    const [rolledOut] = ofKind(made, 'Deployment').spec.template.spec.containers
    t.strictSame(rolledOut?.envFrom, [{ configMapRef: { name: metadata.name } }])
    const [image] = example.images ?? []
    t.equal(rolledOut?.image, `${image?.newName}:${image?.newTag}`)
    await t.resolves(run('kubectl', ['kustomize', join(root, 'deploy/kubernetes/base')]))
  },
)

// --- compose -------------------------------------------------------------------------------------

/** As far as tests look into it. */
interface ComposeService {
  image: string
  build?: string
  command: string[]
  environment: Record<string, string>
  volumes: string[]
  ports?: string[]
  network_mode?: string
  depends_on?: object
  healthcheck: { test: string[] }
  stop_grace_period: string
  read_only: boolean
  cap_drop: string[]
  security_opt: string[]
}

/** `compose.yaml`. */
interface Compose {
  services: { simulator: ComposeService; service: ComposeService }
  volumes: Record<string, object>
}

const composeText = await read('compose.yaml')
const compose: Compose = parse(composeText)

t.test('compose gives the service what the simulator says that it needs', async (t) => {
  const { simulator: simulated, service: served } = compose.services
  const simulator = await startSimulator()
  t.teardown(() => simulator.close())
  const { IDP_CLIENT_SECRET: _secret, ...needed } = simulator.environment
  const { port } = new URL(simulator.url)
  t.match(
    served.environment,
    Object.fromEntries(
      Object.entries(needed).map(([name, value]) => [name, value.replace(port, '3001')]),
    ),
  )
  for (const name of Object.keys(served.environment)) t.ok(isVariable(name), name)
  t.equal(served.environment.IDP_CLIENT_SECRET_FILE, simulated.environment.SIMULATOR_SECRET_FILE)
  t.notOk('IDP_CLIENT_SECRET' in served.environment)
})

t.test('in compose both share a network, which is open to this computer only', async (t) => {
  const { simulator: simulated, service: served } = compose.services
  t.equal(served.network_mode, 'service:simulator')
  t.equal(served.ports, undefined, 'which are for the owner of the network to publish')
  for (const published of simulated.ports ?? []) t.match(published, /^127\.0\.0\.1:\d+:\d+$/)
  t.match(served.depends_on, { simulator: { condition: 'service_healthy', restart: true } })
  const [, image] = /^FROM (\S+)$/m.exec(await read('Dockerfile')) ?? []
  t.equal(simulated.image, image, 'the same Node as in the image')
  t.equal(served.build, '.')
  for (const one of [simulated, served]) {
    t.equal(one.read_only, true)
    t.strictSame(one.cap_drop, ['ALL'])
    t.strictSame(one.security_opt, ['no-new-privileges:true'])
    for (const volume of one.volumes.filter((source) => !source.startsWith('./')))
      t.ok(Object.hasOwn(compose.volumes, volume.split(':')[0] ?? ''), volume)
  }
  const [, graceSeconds] = /^(\d+)s$/.exec(served.stop_grace_period) ?? []
  t.ok(Number(graceSeconds) > defaultOf('SHUTDOWN_GRACE_MS') / 1000)
})

t.test('what compose starts works together', async (t) => {
  const folder = t.testdir({})
  const free = new Map<string, string>()
  for (const port of ['3000', '3001', '3002', '9464']) free.set(port, String(await freePort()))
  const here: Compose = parse(
    composeText
      .replaceAll(/\b(?:3000|3001|3002|9464)\b/g, (port) => free.get(port) ?? port)
      .replaceAll('/run/identity', folder),
  )
  const { command, environment, healthcheck } = here.services.simulator
  const [node, ...script] = command
  t.equal(node, 'node')
  const simulator = startProcess(t, script, environment)
  await until(() => simulator.output.stdout.includes('# curl'))
  const secret = await readFile(environment.SIMULATOR_SECRET_FILE ?? '', 'utf8')
  t.notMatch(simulator.output.stdout, secret)

  const [, , ...check] = healthcheck.test
  const isHealthy = async () => {
    const probe = spawn(process.execPath, check, { cwd: root, env: environment, stdio: 'ignore' })
    const [code] = await once(probe, 'close')
    return code === 0
  }
  t.ok(await isHealthy())

  const service = startProcess(t, ['src/server.ts'], {
    ...here.services.service.environment,
    PORT: free.get('3000') ?? '',
    METRICS_PORT: free.get('9464') ?? '',
  })
  await until(() => service.output.stdout.includes('keys of callers'))
  await until(() => service.output.stdout.includes('new access token'))
  // From outside, the port that is open to outside.
  const outside = `http://127.0.0.1:${free.get('3002')}`
  t.equal((await request(`${outside}/demo`)).status, 200)
  const { token } = (await request(`${outside}/demo/token`)).body as { token: string }
  const [first] = DEMO_JOBS
  t.match(
    await request(`${service.url()}/jobs/${first?.job.jobId}/quality`, {
      headers: { authorization: `Bearer ${token}` },
    }),
    { status: 200, body: { status: 'Completed' } },
  )

  for (const { child, ended } of [service, simulator]) {
    child.kill('SIGTERM')
    t.equal(await ended, 0)
  }
  t.notOk(await isHealthy())
})

t.test('the simulator alone says all that a service needs in its environment', async (t) => {
  const { child, output, ended } = startProcess(t, ['simulator/serve.ts'], {
    SIMULATOR_PORT: String(await freePort()),
  })
  await until(() => output.stdout.includes('# curl'))
  const said = variablesOf(output.stdout)
  for (const name of Object.keys(said)) t.ok(isVariable(name), name)
  t.equal(loadConfig(said).cdf.project, 'demo-project')
  child.kill('SIGTERM')
  t.equal(await ended, 0)
})

// --- a proxy in front ------------------------------------------------------------------------------

t.test(
  'a stream passes nginx as the runbook sets it up, each event at once',
  { skip: await lacks('nginx', '-v') },
  async (t) => {
    const [, written = ''] = /```nginx\n([\s\S]*?)```/.exec(await read('docs/operations.md')) ?? []
    const { port, simulator } = await startService(t, { environment: { TRUST_PROXY: '1' } })
    const frontPort = await freePort()
    const servers = written.replace('3000', String(port)).replace('8080', `127.0.0.1:${frontPort}`)
    t.not(servers, written)
    const folder = t.testdir({ 'nginx.conf': '', temporary: {} })
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((name) => `${name}_temp_path ${folder}/temporary/${name};`)
      .join('\n')
    await writeFile(
      join(folder, 'nginx.conf'),
      `daemon off; master_process off; pid ${folder}/pid; error_log stderr;\nevents {}\nhttp { access_log off;\n${temporary}\n${servers}\n}\n`,
    )
    const nginx = spawn('nginx', ['-p', folder, '-c', 'nginx.conf', '-e', 'stderr'])
    t.teardown(() => nginx.kill('SIGKILL'))
    const front = `http://127.0.0.1:${frontPort}`
    const isUp = () => request(`${front}/health/live`).then(Boolean, () => false)
    while (!(await isUp())) await new Promise((tick) => setTimeout(tick, 20))

    simulator.cdf.addJob({
      jobId: JOB_ID,
      advancedJoinExternalId: 'valve-to-site',
      steps: [
        { afterMs: 0, status: 'Running' },
        { afterMs: 500, status: 'Failed' },
      ],
    })
    const stream = await openEvents(t, `${front}/jobs/${JOB_ID}/quality/events`)
    await until(() => stream.events.length === 1)
    t.notOk(stream.hasEnded(), 'told while the stream goes on')
    await until(stream.hasEnded)
    t.equal(stream.events.length, 2)

    simulator.cdf.addJob(lasting('1', 'Running'))
    const waited = await request(`${front}/jobs/1/quality`, { headers: { prefer: 'wait=1' } })
    t.equal(waited.status, 200)
  },
)

// --- the project's home --------------------------------------------------------------------------

/** A step of a job of a workflow. */
interface Step {
  uses?: string
  run?: string
  with?: Record<string, unknown>
}

/** A workflow of GitHub. */
interface Workflow {
  permissions: object
  concurrency: { group: string }
  jobs: Record<string, { 'timeout-minutes': number; permissions?: object; steps: Step[] }>
}

t.test('the workflow runs .ci/run with the right Node, and may only read', async (t) => {
  const workflow: Workflow = parse(await read('.github/workflows/ci.yml'))
  const { permissions, concurrency, jobs } = workflow
  t.ok(jobs.check?.steps.some((step) => step.run === '.ci/run'))
  t.strictSame(permissions, { contents: 'read' })
  t.ok(concurrency.group)
  const major = Number(packageJson.devDependencies.node.split('.')[0])
  for (const { steps, ...job } of Object.values(jobs)) {
    t.ok(job['timeout-minutes'] > 0)
    t.equal(job.permissions, undefined)
    const settingsOf = (action: string) =>
      steps.find(({ uses }) => uses?.startsWith(`${action}@`))?.with
    t.equal(settingsOf('actions/setup-node')?.['node-version'], major)
    t.equal(settingsOf('actions/checkout')?.['persist-credentials'], false)
    for (const { uses } of steps.filter((step) => step.uses !== undefined))
      t.match(uses, /^actions\/[\w-]+@v\d+(\.\d+)*$/, 'of GitHub itself, by a tag')
  }
})

t.test('dependabot covers everything here that has versions of others', async (t) => {
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

t.test('one placeholder stands for the home that the project has not got yet', async (t) => {
  t.match(await read('.github/CODEOWNERS'), /^\* @your-org\/cdf-job-quality$/m)
  for (const file of ['deploy/prometheus/alerts.yaml', 'deploy/grafana/dashboard.json']) {
    const homes = (await read(file)).matchAll(/https:\/\/github\.com\/([\w-]+\/[\w-]+)/g)
    for (const [, home] of homes) t.equal(home, 'your-org/cdf-job-quality', file)
  }
})

t.test('what CONTRIBUTING.md and SECURITY.md name is there', async (t) => {
  for (const file of ['CONTRIBUTING.md', 'SECURITY.md']) {
    const text = await read(file)
    const links = text.matchAll(/\]\((?!#|https?:)([^)#]+)/g)
    const paths = text.matchAll(/`((?:src|test|deploy|docs|plugins)\/[\w/.-]+\.\w+)`/g)
    for (const [, path = ''] of [...links, ...paths])
      await t.resolves(read(path), `${file}: ${path}`)
    for (const [, script = ''] of text.matchAll(/npm run ([\w:]+)/g))
      t.ok(Object.hasOwn(packageJson.scripts, script), `${file}: npm run ${script}`)
  }
})
