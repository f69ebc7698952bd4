import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parse, parseAllDocuments } from 'yaml'

const root = resolve(import.meta.dirname, '..')

type Labels = Record<string, string>
type Selector = { matchLabels: Labels }

/** What every resource has. */
export interface Resource {
  apiVersion: string
  kind: string
  metadata: { name: string; namespace?: string; labels: Labels }
}

/** An HTTP probe of a container. */
interface Probe {
  httpGet: { path: string; port: string }
  periodSeconds: number
  failureThreshold: number
}

/** The kinds that the project uses, as far as tests look into them; their schemas check the rest. */
export interface Kinds {
  ConfigMap: Resource & { data: Record<string, string> }
  Deployment: Resource & {
    spec: {
      replicas?: number
      selector: Selector
      strategy: { rollingUpdate: object }
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
      ingress: { from: object[]; ports: NetworkPort[] }[]
      egress: { ports: NetworkPort[] }[]
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
  resources?: string[]
  components?: string[]
  images?: { name: string; newName: string; newTag: string }[]
  configMapGenerator?: { name: string; behavior?: string; envs: string[] }[]
}

/** The folders of `deploy/kubernetes`, by their paths. */
export const FOLDERS = ['base', 'monitoring', 'example'].map((name) => `deploy/kubernetes/${name}`)

/** The resources of a text of any number of YAML documents. */
export function resourcesIn(text: string): Resource[] {
  return parseAllDocuments(text).map((document) => {
    const [mistake] = [...document.errors, ...document.warnings]
    if (mistake) throw mistake
    return document.toJS() as Resource
  })
}

/** Every resource of a folder; its kustomization is none. */
export async function readResources(folder: string): Promise<Resource[]> {
  const names = await readdir(join(root, folder))
  const texts = names
    .filter((name) => name.endsWith('.yaml') && name !== 'kustomization.yaml')
    .map((name) => readFile(join(root, folder, name), 'utf8'))
  return (await Promise.all(texts)).flatMap(resourcesIn)
}

/** The kustomization of a folder. */
export async function readKustomization(folder: string): Promise<Kustomization> {
  return parse(await readFile(join(root, folder, 'kustomization.yaml'), 'utf8'))
}

/** The one resource of a kind. */
export function ofKind<Kind extends keyof Kinds>(
  resources: readonly Resource[],
  kind: Kind,
): Kinds[Kind] {
  const [found, another] = resources.filter((resource) => resource.kind === kind)
  if (!found || another) throw new Error(`not exactly one ${kind}`)
  return found as Kinds[Kind]
}

/** The variables of a file that kustomize or Node reads: one a line, and comments. */
export function variablesOf(text: string): Record<string, string> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  )
}

/** Whether a selector chooses something with these labels. */
export function selects(selector: Labels, labels: Labels): boolean {
  const wanted = Object.entries(selector)
  return wanted.length > 0 && wanted.every(([name, value]) => labels[name] === value)
}

/**
 * What is wrong with a resource: what its schema says, and each field that the schema never looked at. Kubernetes' own
 * schemas let unknown fields pass, and so every misspelt one.
 */
export async function mistakesIn(resource: Resource): Promise<string[]> {
  const { apiVersion, kind } = resource
  const models = apiVersion.startsWith('monitoring.coreos.com/')
    ? '@kubernetes-models/prometheus-operator'
    : 'kubernetes-models'
  const module: Record<string, { prototype: { validate: () => void } } | undefined> = await import(
    `${models}/${apiVersion}/${kind}`
  )
  const seen = new Set<string>()
  try {
    module[kind]?.prototype.validate.call(observed(resource, '', seen))
  } catch (error) {
    return [(error as Error).message]
  }
  return pathsIn(resource)
    .filter((path) => !seen.has(path))
    .map((path) => `${path} is unknown`)
}

/** The value, noting which of its members are looked at. */
function observed<T>(value: T, path: string, seen: Set<string>): T {
  if (typeof value !== 'object' || value === null) return value
  return new Proxy(value, {
    get(target, key, receiver) {
      const member = Reflect.get(target, key, receiver)
      if (typeof key === 'symbol') return member
      seen.add(`${path}/${key}`)
      return observed(member, `${path}/${key}`, seen)
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
