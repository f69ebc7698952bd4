import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { parse } from 'yaml'
import { loadConfig } from '../../src/config/config.ts'
import { VARIABLES, type VariableName } from '../../src/config/environment.ts'
import type { Container } from '../support/manifests.ts'
import {
  assertRestricted,
  FOLDERS,
  ofKind,
  readKustomization,
  readResources,
  resourcesIn,
  selects,
  validateResource,
  variablesOf,
} from '../support/manifests.ts'
import { skipWithout } from '../support/skip-without.ts'

const root = resolve(import.meta.dirname, '../..')
const read = (path: string) => readFile(join(root, path), 'utf8')
const run = promisify(execFile)
const isVariable = (name: string) => Object.hasOwn(VARIABLES, name)
const defaultOf = (name: VariableName) => Number(VARIABLES[name].default)
const packageJson: { name: string; version: string } = JSON.parse(await read('package.json'))

const EXAMPLE = 'deploy/kubernetes/example'
const all = (await Promise.all(FOLDERS.map(readResources))).flat()
/** Without those of Valkey, which `valkey.test.ts` tests. */
const resources = all.filter(({ metadata }) => metadata.name === packageJson.name)
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
  ...variablesOf(await read('deploy/kubernetes/valkey/environment.env')),
  ...variablesOf(await read(`${EXAMPLE}/environment.env`)),
}

t.test('every resource is valid and has no unknown field', async (t) => {
  t.ok(all.length >= 13)
  for (const resource of all) t.strictSame(await validateResource(resource), [], resource.kind)
})

t.test('the validation finds a misspelled field, a wrong type and a missing field', async (t) => {
  const changed = (before: string | RegExp, after: string) =>
    validateResource(JSON.parse(JSON.stringify(deployment).replace(before, after)))
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

t.test('each kustomization lists exactly the files of its folder', async (t) => {
  for (const folder of FOLDERS) {
    const {
      resources = [],
      components = [],
      patches = [],
      ...others
    } = await readKustomization(folder)
    const variables = (others.configMapGenerator ?? []).flatMap(({ envs }) => envs)
    const patchFiles = patches.map(({ path }) => path)
    const listed = [...resources, ...variables, ...patchFiles].filter(
      (name) => !name.startsWith('..'),
    )
    const files = (await readdir(join(root, folder))).filter(
      (name) => name !== 'kustomization.yaml',
    )
    t.strictSame(listed.sort(), files.sort(), folder)
    for (const name of [...resources, ...components].filter((one) => one.startsWith('..')))
      t.ok(FOLDERS.includes(join(folder, name)), `${folder}/${name}`)
  }
})

t.test('names and selectors refer to existing resources', async (t) => {
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

t.test('all resources use the same port names and numbers', async (t) => {
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

t.test('the network policy allows the required ports only', async (t) => {
  const { policyTypes, ingress, egress } = networkPolicy.spec
  t.strictSame(policyTypes, ['Ingress', 'Egress'])
  for (const { from } of ingress) t.ok(from.length > 0, 'restricted to some sources')
  const portsOf = (rules: typeof egress) =>
    rules.flatMap(({ ports }) => ports.map(({ protocol, port }) => `${protocol} ${port}`))
  t.strictSame(portsOf(ingress), ['TCP http', 'TCP metrics'])
  t.strictSame(portsOf(egress), ['UDP 53', 'TCP 53', 'TCP 443'])
})

t.test('pods have the most restrictive security settings', async (t) => {
  assertRestricted(t, pod.spec)
  for (const name of ['hostNetwork', 'hostPID', 'hostIPC']) t.notOk(name in pod.spec)
  t.strictSame(Object.keys(container.resources.limits), ['memory'])
  const { labels } = ofKind(resources, 'Namespace').metadata
  t.equal(labels['pod-security.kubernetes.io/enforce'], 'restricted')
})

t.test(
  'probes use paths of the contract, and the liveness probe tolerates failures for a minute',
  async (t) => {
    const contract: { paths: Record<string, object> } = parse(await read('openapi.yaml'))
    const { startupProbe, livenessProbe, readinessProbe } = container
    for (const { httpGet } of [startupProbe, livenessProbe, readinessProbe]) {
      t.ok(contract.paths[httpGet.path], httpGet.path)
      t.equal(httpGet.port, 'http')
    }
    t.equal(livenessProbe.httpGet.path, '/health/live')
    t.equal(readinessProbe.httpGet.path, '/health/ready')
    t.ok(livenessProbe.periodSeconds * livenessProbe.failureThreshold >= 60)
  },
)

t.test('the environment of the example is a valid configuration', async (t) => {
  for (const name of Object.keys(environment)) t.ok(isVariable(name), name)
  const folder = t.testdir({ 'client-secret': 'a secret\n' })
  const localSecret = {
    IDP_CLIENT_SECRET_FILE: join(folder, 'client-secret'),
    REDIS_PASSWORD_FILE: join(folder, 'client-secret'),
  }
  t.match(loadConfig({ ...environment, ...localSecret }), {
    listen: { host: '0.0.0.0', port: 3000 },
    cdf: { project: environment.CDF_PROJECT },
    auth: { jwt: { audiences: [environment.AUTH_AUDIENCE] } },
  })
  t.throws(
    () => loadConfig(environment),
    { name: 'ConfigError' },
    'the secret file does not exist here',
  )
  t.throws(
    () => loadConfig({ ...baseEnvironment, ...localSecret }),
    { name: 'ConfigError' },
    'the base alone is incomplete',
  )
})

t.test('the manifests contain no secret, and a pod sees a rotated secret', async (t) => {
  t.notOk(all.some(({ kind }) => kind === 'Secret'))
  for (const kustomization of [base, example]) t.notOk('secretGenerator' in kustomization)
  t.notOk('IDP_CLIENT_SECRET' in environment)

  const [volume] = pod.spec.volumes
  const [item] = volume?.secret.items ?? []
  const [mount] = container.volumeMounts
  t.equal(mount?.name, volume?.name)
  t.equal(mount?.readOnly, true)
  t.equal(mount?.subPath, undefined, 'Kubernetes does not update a subPath mount')
  t.equal(environment.IDP_CLIENT_SECRET_FILE, `${mount?.mountPath}/${item?.path}`)
  t.equal(volume?.secret.defaultMode, 0o440)
  t.ok(pod.spec.securityContext.fsGroup, 'the group that can read the file')
  for (const file of [`${EXAMPLE}/kustomization.yaml`, 'docs/operations.md'])
    t.match(await read(file), `generic ${volume?.secret.secretName} --from-file=${item?.key}=`)
})

t.test('the termination grace period is longer than the shutdown of the service', async (t) => {
  const { SHUTDOWN_DELAY_MS, SHUTDOWN_GRACE_MS } = environment
  const takesSeconds = (Number(SHUTDOWN_DELAY_MS) + Number(SHUTDOWN_GRACE_MS)) / 1000
  t.ok(pod.spec.terminationGracePeriodSeconds >= takesSeconds + 5)
  t.ok(
    Number(SHUTDOWN_GRACE_MS) >= defaultOf('UPSTREAM_DEADLINE_MS'),
    'requests in progress get at least the deadline of a read',
  )
  t.equal(container.lifecycle, undefined, 'the service delays the shutdown itself')
})

t.test('a rollout keeps the number of pods, and a drain evicts one pod at a time', async (t) => {
  const { strategy, replicas } = deployment.spec
  t.strictSame(strategy.rollingUpdate, { maxUnavailable: 0, maxSurge: 1 })
  t.equal(replicas, undefined, 'the autoscaler sets the number of pods')
  t.equal(disruptionBudget.spec.maxUnavailable, 1)
  t.ok(autoscaler.spec.minReplicas >= 2)
})

t.test(
  'all replicas together send at most twice the default number of concurrent requests to CDF without Redis, and the default number with it',
  async (t) => {
    const maxConcurrency =
      autoscaler.spec.maxReplicas * Number(baseEnvironment.UPSTREAM_MAX_CONCURRENCY)
    t.ok(maxConcurrency <= 2 * defaultOf('UPSTREAM_MAX_CONCURRENCY'))
    t.ok(environment.REDIS_URL)
    t.equal(Number(environment.UPSTREAM_MAX_CONCURRENCY), defaultOf('UPSTREAM_MAX_CONCURRENCY'))
  },
)

t.test('the example uses the image with the current version', async (t) => {
  t.match(example.images, [{ name: container.image, newTag: packageJson.version }])
})

t.test(
  'kustomize builds the expected resources',
  { skip: await skipWithout('kubectl', 'version', '--client') },
  async (t) => {
    const { stdout } = await run('kubectl', ['kustomize', join(root, EXAMPLE)])
    const built = resourcesIn(stdout)
    const kindsOf = (list: typeof built) => list.map(({ kind }) => kind)
    t.strictSame(kindsOf(built).sort(), ['ConfigMap', ...kindsOf(all)].sort())
    for (const resource of built) {
      t.strictSame(await validateResource(resource), [], resource.kind)
      if (resource.kind !== 'Namespace')
        t.equal(resource.metadata.namespace, 'cdf-job-quality', resource.kind)
    }
    const { metadata, data } = ofKind(built, 'ConfigMap')
    t.strictSame(data, environment)
    t.match(metadata.name, /^cdf-job-quality-\w+$/, 'the name contains a hash of the values')
    const own = built.filter(({ metadata: { name } }) => name === deployment.metadata.name)
    const { containers, volumes } = ofKind(own, 'Deployment').spec.template.spec
    const [rolledOut] = containers
    t.strictSame(
      rolledOut?.volumeMounts.map(({ name }) => name).sort(),
      volumes.map(({ name }) => name).sort(),
    )
    t.equal(volumes.length, 2, 'the client secret, and the password of Valkey')
    t.strictSame(rolledOut?.envFrom, [{ configMapRef: { name: metadata.name } }])
    const [image] = example.images ?? []
    t.equal(rolledOut?.image, `${image?.newName}:${image?.newTag}`)
    await t.resolves(run('kubectl', ['kustomize', join(root, 'deploy/kubernetes/base')]))
  },
)
