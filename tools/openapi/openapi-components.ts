import { isDeepStrictEqual } from 'node:util'
import { openSchema, referenceTo } from './open-schemas.ts'

/** The parts of a document of `@fastify/swagger` that {@link withComponents} uses. */
export interface GeneratedDocument {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, object> }
}
interface Operation {
  parameters?: Parameter[]
  responses: Record<string, Response>
}
interface Parameter {
  in: string
  name: string
  required?: boolean
  schema: object
  example?: unknown
}
interface Response {
  headers?: Record<string, Header>
  content?: Record<string, Medium>
}
interface Header {
  schema: { required?: boolean; example?: unknown }
}
interface Medium {
  schema: object
  examples?: Record<string, object>
  'x-component'?: string
}

/**
 * Moves the parts that operations share to `components`, and replaces them with references; `@fastify/swagger` does so
 * only for schemas. Headers, parameters and examples are named by their own names, so that each name has one meaning;
 * a response is named by the `x-component` beside its schema.
 */
export function withComponents<Document extends GeneratedDocument>(document: Document) {
  const shared = { parameters: {}, headers: {}, responses: {}, examples: {} }

  function share(kind: keyof typeof shared, name: string, part: object) {
    const parts: Record<string, object> = shared[kind]
    parts[name] ??= part
    if (!isDeepStrictEqual(parts[name], part)) throw new Error(`Two ${kind} are called ${name}.`)
    return { $ref: `#/components/${kind}/${name}` }
  }

  function shareResponse({ headers = {}, content, ...response }: Response) {
    const [name] = Object.values(content ?? {}).map((medium) => medium['x-component'])
    const part = {
      ...response,
      ...(Object.keys(headers).length > 0 && {
        headers: mapValues(headers, (header, name) => share('headers', name, toHeader(header))),
      }),
      ...(content && {
        content: mapValues(content, ({ schema, examples, 'x-component': _, ...medium }) => ({
          ...medium,
          schema: openSchema(schema),
          ...(examples && {
            examples: mapValues(examples, (example, name) => share('examples', name, example)),
          }),
        })),
      }),
    }
    return name === undefined ? part : share('responses', name, part)
  }

  const paths = mapValues(document.paths, (operations) =>
    mapValues(operations, ({ parameters = [], responses, ...operation }) => ({
      ...operation,
      ...(parameters.length > 0 && {
        parameters: parameters.map((parameter) =>
          share('parameters', `${parameter.in}.${parameter.name}`, toParameter(parameter)),
        ),
      }),
      responses: mapValues(responses, shareResponse),
    })),
  )
  const { schemas, ...others } = document.components
  const components = { ...others, ...shared, schemas: withReferences(schemas) }
  return { ...document, paths, components }
}

/** Opens the named schemas, and replaces those inside other schemas with references. */
function withReferences(schemas: Record<string, object>) {
  const named = new Map(
    Object.entries(schemas).map(([name, schema]) => [
      JSON.stringify(schema),
      referenceTo(name, schema),
    ]),
  )
  const refer = (_key: string, part: unknown) => named.get(JSON.stringify(part)) ?? part
  // Member by member: otherwise each schema would become a reference to itself.
  return mapValues(schemas, (schema, title) =>
    openSchema({
      // Swagger UI shows no name behind a reference, but it shows the title.
      title,
      ...mapValues({ ...schema }, (part: unknown) => JSON.parse(JSON.stringify(part), refer)),
    }),
  )
}

/** Swagger UI sends the example of a parameter, so that of an optional parameter is moved to its schema. */
function toParameter({ in: place, name, required, schema, example, ...parameter }: Parameter) {
  const head = { name, in: place }
  return required
    ? { ...head, required, ...parameter, schema, example }
    : { ...head, ...parameter, schema: { ...schema, examples: [example] } }
}

/** In a route schema, the members of a header stand in its schema. */
function toHeader({ schema: { required, example, ...schema }, ...header }: Header) {
  return { ...header, ...(required && { required }), schema, example }
}

function mapValues<From, To>(parts: Record<string, From>, to: (part: From, name: string) => To) {
  return Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, to(part, name)]))
}
