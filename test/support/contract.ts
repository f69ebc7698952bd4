import { readFile } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import { createParser } from 'eventsource-parser'
import type { Test } from 'tap'
import { Compile } from 'typebox/schema'
import { parse } from 'yaml'
import { COMMON_HEADERS } from '../../plugins/response-headers.ts'
import { resolveReferences } from '../../tools/openapi/resolve-references.ts'
import type { HttpResponse } from './request.ts'

/** An operation of the contract, with all references resolved. */
export interface Operation {
  operationId: string
  path: string
  method: string
  summary: string
  description: string
  tags: string[]
  security?: object[]
  parameters?: Parameter[]
  responses: Record<string, Response>
}
interface Parameter {
  name: string
  required?: boolean
  description: string
  schema: { examples?: unknown[] }
  example?: unknown
}
interface Response {
  description: string
  headers?: Record<string, Header>
  content?: Record<string, Medium>
}
interface Header {
  description: string
  required?: boolean
  schema: { type: string }
  example: unknown
}
interface Medium {
  schema: object
  examples?: Record<string, { summary: string; value: unknown }>
}
/** The schema of an event stream. */
interface EventStreamSchema {
  anyOf: [{ contentSchema: { anyOf: EventSchema[] } }]
}
interface EventSchema {
  /** Absent for the events of later versions. */
  properties: { data: { contentSchema?: object } }
}

/** The contract as text. */
export const contractText = await readFile(new URL('../../openapi.yaml', import.meta.url), 'utf8')
/** The parsed contract, with unresolved references. */
export const contract = parse(contractText)

/** All operations, in the order of the contract. */
export const operations = Object.entries<Record<string, object>>(contract.paths).flatMap(
  ([path, item]) =>
    Object.entries(item).map(
      ([method, operation]) =>
        ({ ...resolveReferences(operation, contract), path, method }) as Operation,
    ),
)

/** The operation with this id. */
export function operationOf(operationId: string): Operation {
  const operation = operations.find((candidate) => candidate.operationId === operationId)
  if (!operation) throw new Error(`no operation ${operationId}`)
  return operation
}

/**
 * A schema of the contract, closed: without unknown members, and with the known values only where the contract allows
 * any text. The contract is open for later versions; this version must send exactly what is described.
 */
export function closed(schema: object): object {
  return JSON.parse(JSON.stringify(schema), (_key, part) => {
    const [known, other] = part?.anyOf ?? []
    if (known?.enum && isDeepStrictEqual(other, { type: 'string' })) return known
    return part?.properties && part.additionalProperties === undefined
      ? { ...part, additionalProperties: false }
      : part
  })
}

/** Asserts that a value matches a schema of the contract, {@link closed}. */
export function assertValid(t: Test, schema: object, value: unknown, name: string): void {
  const [isValid, errors] = Compile(closed(schema)).Errors(value)
  t.ok(isValid, name, { errors, value })
}

/** Asserts that each event of a stream, and the JSON in it, matches the contract. */
export function assertValidEvents(t: Test, schema: object, text: string) {
  const [{ contentSchema }] = (schema as EventStreamSchema).anyOf
  const parser = createParser({
    onEvent: ({ event, id, data }) => {
      const received = { event, data, ...(id !== undefined && { id }) }
      const match = contentSchema.anyOf.find((known) => Compile(closed(known)).Check(received))
      const dataSchema = match?.properties.data.contentSchema
      if (!dataSchema) return t.fail('the contract has no such event', { received })
      assertValid(t, dataSchema, JSON.parse(data), `event ${event}`)
    },
    onError: (error) => t.fail('not an event stream', { error }),
  })
  parser.feed(text)
}

/** Headers of every response. */
const ALWAYS_SENT = [...Object.keys(COMMON_HEADERS), 'cache-control', 'x-request-id']

/**
 * Headers that the contract does not list: those of Node's HTTP server, those for browsers and proxies, and
 * `content-type`, which is part of `content`.
 */
const UNLISTED_HEADERS = new Set([
  ...Object.keys(COMMON_HEADERS),
  'cache-control',
  'vary',
  'x-accel-buffering',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'date',
  'keep-alive',
  'transfer-encoding',
])

/** Headers of problems that the description of the contract names, so that not every problem has to list them. */
const UNLISTED_HEADERS_OF_PROBLEMS = new Set([
  'age',
  'cache-status',
  'preference-applied',
  'ratelimit',
  'ratelimit-policy',
  'x-request-id',
])

/** Asserts that a response matches the contract: status, content type, body and headers. */
export function assertDocumented(
  t: Test,
  { operationId, responses }: Operation,
  { status, headers, body, text = '' }: Omit<HttpResponse, 'text'> & { text?: string },
): void {
  const response = responses[status]
  if (!response) return void t.fail(`${operationId} documents no status ${status}`)
  const name = `${operationId} ${status}`

  const type = headers.get('content-type')?.split(';')[0]
  t.equal(type, Object.keys(response.content ?? {})[0], `${name}: content type`)
  const { schema } = response.content?.[type ?? ''] ?? {}
  if (schema && type === 'text/event-stream') assertValidEvents(t, schema, text)
  else if (schema) assertValid(t, schema, body ?? text, `${name}: body`)
  else t.equal(text, '', `${name}: no body`)

  for (const [header, { required, schema }] of Object.entries(response.headers ?? {})) {
    const value = headers.get(header)
    if (value === null) t.notOk(required, `${name}: ${header}`)
    else assertValid(t, schema, schema.type === 'integer' ? Number(value) : value, header)
  }
  for (const header of ALWAYS_SENT) t.ok(headers.has(header), `${name}: ${header}`)
  const undocumented = [...headers.keys()].filter(
    (header) =>
      !(header in (response.headers ?? {})) &&
      !UNLISTED_HEADERS.has(header) &&
      !(status >= 400 && UNLISTED_HEADERS_OF_PROBLEMS.has(header)),
  )
  t.strictSame(undocumented, [], `${name}: no undocumented header`)
}
