import { isDeepStrictEqual } from 'node:util'

/** Of an OpenAPI document as `@fastify/swagger` makes it, what {@link withComponents} looks at. */
export interface MadeDocument {
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
 * The document with what operations have in common under `components`, and a reference in each of its places: of
 * schemas alone `@fastify/swagger` makes references by itself. Headers, parameters and examples go by their own name,
 * which therefore has one meaning everywhere; a response goes by the `x-component` beside the schema of its body.
 */
export function withComponents<Document extends MadeDocument>(document: Document) {
  const shared = { parameters: {}, headers: {}, responses: {}, examples: {} }

  function share(kind: keyof typeof shared, name: string, part: object) {
    const parts: Record<string, object> = shared[kind]
    parts[name] ??= part
    if (!isDeepStrictEqual(parts[name], part)) throw new Error(`Two ${kind} are called ${name}.`)
    return { $ref: `#/components/${kind}/${name}` }
  }

  function shareResponse({ headers, content, ...response }: Response) {
    const [name] = Object.values(content ?? {}).map((medium) => medium['x-component'])
    const part = {
      ...response,
      ...(headers && {
        headers: mapValues(headers, (header, name) => share('headers', name, toHeader(header))),
      }),
      ...(content && {
        content: mapValues(content, ({ examples, ...medium }, type) => ({
          ...toMedium(medium, type),
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

/** What has a name inside of another schema stands there once more, in full: a reference takes its place. */
function withReferences(schemas: Record<string, object>) {
  const names = new Map(
    Object.entries(schemas).map(([name, schema]) => [JSON.stringify(schema), name]),
  )
  const refer = (_key: string, part: unknown) => {
    const name = names.get(JSON.stringify(part))
    return name === undefined ? part : { $ref: `#/components/schemas/${name}` }
  }
  // Part by part, lest each schema be a reference to itself.
  return mapValues(schemas, (schema, title) => ({
    // For Swagger UI, which has lost the name where it follows a reference.
    title,
    ...mapValues({ ...schema }, (part: unknown) => JSON.parse(JSON.stringify(part), refer)),
  }))
}

/** Swagger UI sends the example of a parameter as if somebody had typed it; an optional one has it in its schema. */
function toParameter({ in: place, name, required, schema, example, ...parameter }: Parameter) {
  const head = { name, in: place }
  return required
    ? { ...head, required, ...parameter, schema, example }
    : { ...head, ...parameter, schema: { ...schema, examples: [example] } }
}

/** A route says in one what a header is and what its value is. */
function toHeader({ schema: { required, example, ...schema }, ...header }: Header) {
  return { ...header, ...(required && { required }), schema, example }
}

/** Each event of a stream has the schema; `@fastify/swagger` takes no medium without a schema of the whole. */
function toMedium({ schema, 'x-component': _, ...medium }: Medium, type: string) {
  return type === 'text/event-stream' ? { itemSchema: schema, ...medium } : { schema, ...medium }
}

function mapValues<From, To>(parts: Record<string, From>, to: (part: From, name: string) => To) {
  return Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, to(part, name)]))
}
