import { readFile } from 'node:fs/promises'
import { createParser } from 'eventsource-parser'
import type { Test } from 'tap'
import { Compile } from 'typebox/schema'
import { parse } from 'yaml'
import type { Answer } from './helper.ts'

/** An operation of the contract, with everything in the place of the reference to it. */
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
  headers: Record<string, Header>
  content?: Record<string, Medium>
}
interface Header {
  description: string
  required?: boolean
  schema: { type: string }
  example: unknown
}
interface Medium {
  schema?: object
  itemSchema?: { anyOf: EventSchema[] }
  examples?: Record<string, { summary: string; value: unknown }>
}
interface EventSchema {
  properties: { data: { contentSchema: object } }
}

/** The bytes of the contract. */
export const contractText = await readFile(new URL('../openapi.yaml', import.meta.url), 'utf8')
/** The contract as it stands there, with its references. */
export const contract = parse(contractText)

/** Each operation, in the order of the contract. */
export const operations = Object.entries<Record<string, object>>(contract.paths).flatMap(
  ([path, item]) =>
    Object.entries(item).map(
      ([method, operation]) => ({ ...dereferenced(operation), path, method }) as Operation,
    ),
)

/** The operation of this id. */
export function operationOf(operationId: string): Operation {
  const operation = operations.find((candidate) => candidate.operationId === operationId)
  if (!operation) throw new Error(`no operation ${operationId}`)
  return operation
}

/** A part of the contract with what its references lead to in their place; nothing in it leads back to itself. */
function dereferenced(part: unknown): object {
  const isReference = typeof part === 'object' && part !== null && '$ref' in part
  if (!isReference) return mapParts(part, dereferenced)
  const keys = String(part.$ref).split('/').slice(1)
  return dereferenced(keys.reduce((at, key) => at[key], contract))
}

function mapParts(part: unknown, to: (part: unknown) => unknown): object {
  if (Array.isArray(part)) return part.map(to)
  if (typeof part !== 'object' || part === null) return part as object
  return Object.fromEntries(Object.entries(part).map(([key, value]) => [key, to(value)]))
}

/** Asserts that a value is as a schema of the contract has it. */
export function assertValid(t: Test, schema: object, value: unknown, name: string): void {
  const [isValid, errors] = Compile(schema).Errors(value)
  t.ok(isValid, name, { errors, value })
}

/** Asserts that a stream of events is as the contract has it, and so is what the events hold. */
export function assertValidEvents(t: Test, { anyOf }: { anyOf: EventSchema[] }, text: string) {
  const parser = createParser({
    onEvent: ({ event, id, data }) => {
      const told = { event, data, ...(id !== undefined && { id }) }
      const schema = anyOf.find((candidate) => Compile(candidate).Check(told))
      if (!schema) return t.fail('no such event', { told })
      assertValid(t, schema.properties.data.contentSchema, JSON.parse(data), `event ${event}`)
    },
    onError: (error) => t.fail('no event stream', { error }),
  })
  parser.feed(text)
}

/** What HTTP itself adds to an answer, and the type, which stands with the content. */
const HEADERS_OF_HTTP = new Set([
  'connection',
  'content-length',
  'content-type',
  'date',
  'keep-alive',
  'transfer-encoding',
])

/** Asserts that an answer is as the contract has it: status, type, body, and every header. */
export function assertDocumented(
  t: Test,
  { operationId, responses }: Operation,
  { status, headers, body, text = '' }: Omit<Answer, 'text'> & { text?: string },
): void {
  const response = responses[status]
  if (!response) return void t.fail(`${operationId} never answers ${status}`)
  const name = `${operationId} ${status}`

  const type = headers.get('content-type')?.split(';')[0]
  t.equal(type, Object.keys(response.content ?? {})[0], `${name}: content type`)
  const { schema, itemSchema } = response.content?.[type ?? ''] ?? {}
  if (itemSchema) assertValidEvents(t, itemSchema, text)
  else if (schema) assertValid(t, schema, body ?? text, `${name}: body`)
  else t.equal(text, '', `${name}: no body`)

  for (const [header, { required, schema }] of Object.entries(response.headers)) {
    const value = headers.get(header)
    if (value === null) t.notOk(required, `${name}: ${header}`)
    else assertValid(t, schema, schema.type === 'integer' ? Number(value) : value, header)
  }
  const undocumented = [...headers.keys()].filter(
    (header) => !(header in response.headers) && !HEADERS_OF_HTTP.has(header),
  )
  t.strictSame(undocumented, [], `${name}: no other header`)
}
