import type { FastifyServerOptions } from 'fastify'

type SchemaController = NonNullable<FastifyServerOptions['schemaController']>

/**
 * The `schemaController` option of Fastify. The start fails if a route has a schema for its responses, or one for params,
 * query, headers or body without its own `validatorCompiler`. Parsers such as `parseJobId` validate, because they also
 * produce the canonical form and the right problem. Responses are serialized once per job, not per request.
 *
 * A start without Ajv takes 30 ms less. The types require the methods that Ajv adds to a validator; Fastify does not.
 */
export const OWN_VALIDATORS = {
  compilersFactory: {
    buildValidator:
      () =>
      ({ httpPart, method, url }: { httpPart: string; method: string; url: string }) => {
        throw new Error(`${method} ${url}: the ${httpPart} schema needs a validatorCompiler`)
      },
    buildSerializer:
      () =>
      ({ method, url }: { method: string; url: string }) => {
        throw new Error(`${method} ${url}: response schemas belong in tools/openapi/`)
      },
  },
} as unknown as SchemaController
