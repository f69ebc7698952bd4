import { execFile, spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import t from 'tap'
import { parse } from 'yaml'
import { parseRedisUrl } from '../../src/redis/redis-url.ts'
import { freePort } from '../support/local-server.ts'
import type { Container, Kinds } from '../support/manifests.ts'
import {
  assertRestricted,
  ofKind,
  readResources,
  selects,
  variablesOf,
} from '../support/manifests.ts'
import { skipWithoutRedis } from '../support/redis-server.ts'
import { startService } from '../support/start-service.ts'
import { until } from '../support/wait.ts'

const root = resolve(import.meta.dirname, '../..')
const read = (path: string) => readFile(join(root, path), 'utf8')

const FOLDER = 'deploy/kubernetes/valkey'
const resources = await readResources(FOLDER)
const deployment = ofKind(resources, 'Deployment')
const service = ofKind(resources, 'Service')
const policies = resources.filter(
  ({ kind }) => kind === 'NetworkPolicy',
) as Kinds['NetworkPolicy'][]
const [policy, policyOfService] = policies
const environment = variablesOf(await read(`${FOLDER}/environment.env`))
const patch: Kinds['Deployment'] = parse(await read(`${FOLDER}/service-deployment-patch.yaml`))
const base = ofKind(await readResources('deploy/kubernetes/base'), 'Deployment')
const pod = deployment.spec.template
const [container] = pod.spec.containers as [Container]
const [script = ''] = container.args
const url = parseRedisUrl(environment.REDIS_URL ?? '')

const skip = skipWithoutRedis

t.test('the service connects to Valkey, and nothing else does', async (t) => {
  const { labels } = pod.metadata
  const [port] = container.ports
  t.ok(selects(deployment.spec.selector.matchLabels, labels))
  t.ok(selects(service.spec.selector, labels))
  t.notOk(selects(base.spec.selector.matchLabels, labels), 'not a pod of the service')
  t.match(service.spec.ports, [{ port: port?.containerPort, targetPort: port?.name }])
  t.strictSame(url?.nodes, [{ host: service.metadata.name, port: port?.containerPort }])

  t.ok(selects(policy?.spec.podSelector.matchLabels ?? {}, labels))
  t.match(policy?.spec, {
    policyTypes: ['Ingress', 'Egress'],
    ingress: [
      {
        from: [{ podSelector: base.spec.selector }],
        ports: [{ protocol: 'TCP', port: port?.name }],
      },
    ],
    egress: undefined,
  })
  t.strictSame(policyOfService?.spec.podSelector, base.spec.selector)
  t.match(policyOfService?.spec, {
    policyTypes: ['Egress'],
    egress: [{ to: [{ podSelector: deployment.spec.selector }], ports: [{ port: port?.name }] }],
  })
})

t.test('both sides read the same password from the Secret, as a file', async (t) => {
  const secretName = service.metadata.name
  t.equal(patch.metadata.name, base.metadata.name)
  const [patched] = patch.spec.template.spec.containers
  t.equal((patched as { name?: string } | undefined)?.name, base.metadata.name)
  for (const [{ volumes }, mounts] of [
    [pod.spec, container.volumeMounts],
    [patch.spec.template.spec, patched?.volumeMounts],
  ] as const) {
    const [volume] = volumes
    const [mount] = mounts ?? []
    t.match(volume?.secret, { secretName, defaultMode: 0o440, items: [{ key: 'password' }] })
    t.match(mount, { name: volume?.name, readOnly: true, subPath: undefined })
    t.equal(`${mount?.mountPath}/${volume?.secret.items[0]?.path}`, environment.REDIS_PASSWORD_FILE)
  }
  t.match(script, environment.REDIS_PASSWORD_FILE)
  t.equal(url?.password, undefined)
  for (const file of ['valkey', 'example'])
    t.match(
      await read(`deploy/kubernetes/${file}/kustomization.yaml`),
      `secret generic ${secretName} --from-file=password=`,
    )
})

t.test('Valkey has the most restrictive security settings and one pod', async (t) => {
  assertRestricted(t, pod.spec)
  t.match(deployment.spec, { replicas: 1, strategy: { type: 'Recreate' } })
  t.match(container.image, /^valkey\/valkey:8\.\d+\.\d+-alpine$/, 'an exact version')
  t.match(await read('compose.yaml'), `image: ${container.image}\n`)
  const megabytes = Number(/maxmemory (\d+)mb/.exec(script)?.[1])
  const mebibytes = Number(/^(\d+)Mi$/.exec(container.resources.limits.memory)?.[1])
  t.ok(megabytes > 0 && mebibytes >= 1.5 * megabytes, 'room for the buffers of connections')
})

t.test(
  'the user has the rights of docs/deployment.md, and the prefix of the service',
  async (t) => {
    const [, documented] = /^user (.*)$/m.exec(await read('docs/deployment.md')) ?? []
    const [, configured] = /^user (cdf-.*)$/m.exec(script) ?? []
    t.equal(configured?.replace('#$hash', '>PASSWORD'), documented)
    t.equal(url?.username, configured?.split(' ')[0])
  },
)

/** Starts the command of the manifest with `redis-server`, on a free port. */
async function startFromManifest(t: Test) {
  const port = await freePort()
  const passwordFile = join(t.testdir({}), 'password')
  await writeFile(passwordFile, 'a pass#word"\n')
  const local = script
    .replace('valkey-server', 'redis-server')
    .replace(/^port \d+$/m, `port ${port}\nbind 127.0.0.1`)
    .replace(environment.REDIS_PASSWORD_FILE ?? '', passwordFile)
  const [shell = '', ...options] = container.command
  const child = spawn(shell, [...options, local], { cwd: t.testdirName, stdio: 'ignore' })
  t.teardown(() => child.kill('SIGKILL'))
  const [, ...probe] = container.livenessProbe.exec?.command ?? []
  const ping = (...args: string[]) =>
    promisify(execFile)('redis-cli', ['-p', `${port}`, ...args, ...probe]).then(
      ({ stdout }) => stdout,
      () => undefined,
    )
  return { port, passwordFile, child, ping }
}

t.test('Valkey starts with the command of the manifest, for its one user', { skip }, async (t) => {
  const { port, passwordFile, child, ping } = await startFromManifest(t)
  await until(async () => (await ping()) !== undefined)
  t.match(await ping(), 'NOAUTH', 'the probe succeeds without the password')
  t.match(await ping('--user', 'default', '--pass', 'x', '--no-auth-warning'), 'NOAUTH')
  t.notOk((child.spawnargs.join(' ') + script).includes('a pass#word'))

  const service = await startService(t, {
    environment: {
      REDIS_URL: `redis://${url?.username}@127.0.0.1:${port}`,
      REDIS_PASSWORD_FILE: passwordFile,
    },
  })
  await until(() => service.logs.some(({ msg }) => msg === 'Redis available'))
  // While the event loop is busy with the start, reads are rejected.
  await until(async () => (await service.quality()).status === 404)
  t.notOk(service.logs.some(({ msg }) => msg === 'Redis rejected a command'))
  await service.app.close()

  child.kill('SIGTERM')
  await until(() => child.exitCode !== null)
  t.equal(child.exitCode, 0, 'SIGTERM reaches it')
})
