import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Test } from 'tap'
import { parse, parseAllDocuments } from 'yaml'

const root = resolve(import.meta.dirname, '../..')

type Labels = Record<string, string>
type Selector = { matchLabels: Labels }

/** The members of every resource that tests read. */
export interface Resource {
  apiVersion: string
  kind: string
  metadata: { name: string; namespace?: string; labels: Labels }
}

/** An HTTP probe of a container. */
interface Probe {
  httpGet: { path: string; port: string }
  exec?: { command: string[] }
  periodSeconds: number
  failureThreshold: number
}

/** The kinds that the project uses, with the members that tests read. The schemas check all members. */
export interface Kinds {
  ConfigMap: Resource & { data: Record<string, string> }
  Deployment: Resource & {
    spec: {
      replicas?: number
      selector: Selector
      strategy: { type: string; rollingUpdate?: object }
      template: { metadata: { labels: Labels }; spec: PodSpec }
    }
  }
  HorizontalPodAutoscaler: Resource & {
    spec: { scaleTargetRef: object; minReplicas: number; maxReplicas: number }
  }
  Ingress: Resource & {
    spec: {
      rules: {
        http: { paths: { backend: { service: { name: string; port: { name: string } } } }[] }
      }[]
    }
  }
  Namespace: Resource
  NetworkPolicy: Resource & {
    spec: {
      podSelector: Selector
      policyTypes: string[]
      ingress: { from: { podSelector?: Selector }[]; ports: NetworkPort[] }[]
      egress: { to?: { podSelector?: Selector }[]; ports: NetworkPort[] }[]
    }
  }
  PodDisruptionBudget: Resource & { spec: { selector: Selector; maxUnavailable: number } }
  PrometheusRule: Resource & { spec: object }
  Service: Resource & {
    spec: { selector: Labels; ports: { name: string; port: number; targetPort: string }[] }
  }
  ServiceMonitor: Resource & {
    spec: { selector: Selector; jobLabel: string; endpoints: { port: string }[] }
  }
}

interface NetworkPort {
  protocol: string
  port: number | string
}

interface PodSpec {
  terminationGracePeriodSeconds: number
  securityContext: { runAsUser: number; fsGroup?: number }
  topologySpreadConstraints: { labelSelector: Selector }[]
  containers: Container[]
  volumes: {
    name: string
    secret: { secretName: string; defaultMode: number; items: { key: string; path: string }[] }
  }[]
}

/** A container of a pod. */
export interface Container {
  image: string
  command: string[]
  args: string[]
  envFrom: { configMapRef: { name: string } }[]
  ports: { name: string; containerPort: number }[]
  startupProbe: Probe
  livenessProbe: Probe
  readinessProbe: Probe
  lifecycle?: object
  resources: { limits: { cpu?: string; memory: string } }
  securityContext: object
  volumeMounts: { name: string; mountPath: string; readOnly?: boolean; subPath?: string }[]
}

/** A `kustomization.yaml`. */
export interface Kustomization {
  patches?: { path: string }[]
  resources?: string[]
  components?: string[]
  images?: { name: string; newName: string; newTag: string }[]
  configMapGenerator?: { name: string; behavior?: string; envs: string[] }[]
}

/** The paths of the folders in `deploy/kubernetes`. */
export const FOLDERS = ['base', 'monitoring', 'valkey', 'example'].map(
  (name) => `deploy/kubernetes/${name}`,
)

/** Parses a text with any number of YAML documents. */
export function resourcesIn(text: string): Resource[] {
  return parseAllDocuments(text).map((document) => {
    const [issue] = [...document.errors, ...document.warnings]
    if (issue) throw issue
    return document.toJS() as Resource
  })
}

/** Reads all resources of a folder. The kustomization and patches are none. */
export async function readResources(folder: string): Promise<Resource[]> {
  const names = await readdir(join(root, folder))
  const texts = names
    .filter((name) => name.endsWith('.yaml') && !/^kustomization|-patch\.yaml$/.test(name))
    .map((name) => readFile(join(root, folder, name), 'utf8'))
  return (await Promise.all(texts)).flatMap(resourcesIn)
}

/** Reads the kustomization of a folder. */
export async function readKustomization(folder: string): Promise<Kustomization> {
  return parse(await readFile(join(root, folder, 'kustomization.yaml'), 'utf8'))
}

/** The only resource of a kind. */
export function ofKind<Kind extends keyof Kinds>(
  resources: readonly Resource[],
  kind: Kind,
): Kinds[Kind] {
  const [found, another] = resources.filter((resource) => resource.kind === kind)
  if (!found || another) throw new Error(`not exactly one ${kind}`)
  return found as Kinds[Kind]
}

/** Parses an environment file: one variable per line, and comments. */
export function variablesOf(text: string): Record<string, string> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  )
}

/** Whether a selector matches these labels. */
export function selects(selector: Labels, labels: Labels): boolean {
  const required = Object.entries(selector)
  return required.length > 0 && required.every(([name, value]) => labels[name] === value)
}

/**
 * Validates a resource against the schema of its kind and returns the issues. The schemas of Kubernetes allow unknown
 * fields, so that a misspelled field would pass: each field that the validation does not read is an issue, too.
 */
export async function validateResource(resource: Resource): Promise<string[]> {
  const { apiVersion, kind } = resource
  const models = apiVersion.startsWith('monitoring.coreos.com/')
    ? '@kubernetes-models/prometheus-operator'
    : 'kubernetes-models'
  const module: Record<string, { prototype: { validate: () => void } } | undefined> = await import(
    `${models}/${apiVersion}/${kind}`
  )
  const seen = new Set<string>()
  try {
    module[kind]?.prototype.validate.call(recordReads(resource, '', seen))
  } catch (error) {
    return [(error as Error).message]
  }
  return pathsIn(resource)
    .filter((path) => !seen.has(path))
    .map((path) => `${path} is unknown`)
}

/** A proxy for the value that records the paths of the members that are read. */
function recordReads<T>(value: T, path: string, seen: Set<string>): T {
  if (typeof value !== 'object' || value === null) return value
  return new Proxy(value, {
    get(target, key, receiver) {
      const member = Reflect.get(target, key, receiver)
      if (typeof key === 'symbol') return member
      seen.add(`${path}/${key}`)
      return recordReads(member, `${path}/${key}`, seen)
    },
  })
}

function pathsIn(value: unknown, path = ''): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, member]) => [
    `${path}/${key}`,
    ...pathsIn(member, `${path}/${key}`),
  ])
}

/** Asserts the most restrictive security settings for a pod with one container. */
export function assertRestricted(t: Test, { containers: [container], ...pod }: PodSpec): void {
  t.match(pod, {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
  })
  // A number, because the kubelet cannot check that a user name is not root.
  t.ok(pod.securityContext.runAsUser > 0)
  t.strictSame(container?.securityContext, {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  })
}
