import { isDeepStrictEqual } from 'node:util'
import { type Schema, schemaChanges } from './schema-changes.ts'

/** The parts of a contract that are compared. All references must be resolved. */
export interface ComparedContract {
  info: { version: string }
  security?: object[]
  paths: Record<string, Record<string, Operation>>
}
interface Operation {
  operationId: string
  security?: object[]
  parameters?: Parameter[]
  responses: Record<string, Response>
}
interface Parameter {
  in: string
  name: string
  required?: boolean
  schema: Schema
}
interface Response {
  headers?: Record<string, { required?: boolean; schema: Schema }>
  content?: Record<string, { schema: Schema }>
}

/** Lists what breaks callers of the released contract. */
export function breakingChanges(released: ComparedContract, current: ComparedContract): string[] {
  return Object.entries(released.paths).flatMap(([path, operations]) =>
    Object.entries(operations).flatMap(([method, operation]) => {
      const next = current.paths[path]?.[method]
      return operationChanges(operation, next, released, current).map(
        (change) => `${method.toUpperCase()} ${path}: ${change}`,
      )
    }),
  )
}

function operationChanges(
  before: Operation,
  after: Operation | undefined,
  released: ComparedContract,
  current: ComparedContract,
): string[] {
  if (!after) return ['is gone']
  return [
    // Generators make it the name of a function.
    ...(before.operationId === after.operationId ? [] : ['has another operationId']),
    ...securityChanges(before.security ?? released.security, after.security ?? current.security),
    ...parameterChanges(before.parameters, after.parameters),
    ...responseChanges(before.responses, after.responses),
  ]
}

/** Whether a version may break callers of another one: it has a greater major or, before 1.0.0, minor number. */
export function mayBreak(released: string, current: string): boolean {
  const [[major = 0, minor = 0], [nextMajor = 0, nextMinor = 0]] = [released, current].map(
    (version) => version.split(/[.-]/).map(Number),
  ) as [number[], number[]]
  return nextMajor > major || (major === 0 && nextMajor === 0 && nextMinor > minor)
}

function securityChanges(before: object[] = [], after: object[] = []): string[] {
  const isAccepted = (way: object) => after.some((other) => isDeepStrictEqual(way, other))
  return before.every(isAccepted) && (before.length > 0 || after.length === 0)
    ? []
    : ['needs another authentication']
}

function parameterChanges(before: Parameter[] = [], after: Parameter[] = []): string[] {
  const same = (one: Parameter) => (other: Parameter) =>
    one.in === other.in && one.name === other.name
  return [
    ...before.flatMap((parameter) => {
      const next = after.find(same(parameter))
      return next
        ? schemaChanges(parameter.schema, next.schema, 'request', parameter.name)
        : [`${parameter.name}: is gone`]
    }),
    ...after
      .filter((parameter) => parameter.required && !before.find(same(parameter))?.required)
      .map(({ name }) => `${name}: is required`),
  ]
}

function responseChanges(
  before: Record<string, Response>,
  after: Record<string, Response>,
): string[] {
  const isSuccess = (status: string) => Number(status) < 400
  const statuses = [...new Set([...Object.keys(before), ...Object.keys(after)])]
  return statuses.flatMap((status) => {
    const [old, next] = [before[status], after[status]]
    // Callers handle problems by their code, so other error statuses may come and go.
    if (!old || !next) return isSuccess(status) ? [`${status}: ${old ? 'is gone' : 'is new'}`] : []
    const headers = Object.entries(old.headers ?? {}).flatMap(([name, { required, schema }]) => {
      const header = next.headers?.[name]
      if (!header) return [`${name}: is gone`]
      return [
        ...(required && !header.required ? [`${name}: no longer always present`] : []),
        ...schemaChanges(schema, header.schema, 'response', name),
      ]
    })
    const contents = Object.entries(old.content ?? {}).flatMap(([type, { schema }]) => {
      const content = next.content?.[type]
      return content
        ? schemaChanges(schema, content.schema, 'response', 'body')
        : [`${type}: is gone`]
    })
    return [...headers, ...contents].map((change) => `${status}: ${change}`)
  })
}
