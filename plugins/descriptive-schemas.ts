import type { FastifyServerOptions } from 'fastify'

type SchemaController = NonNullable<FastifyServerOptions['schemaController']>

/**
 * The `schemaController` option of Fastify. Route schemas describe the contract; they do not validate. Parsers such as
 * `parseJobId` validate, because they also produce the canonical form and the right problem, and responses are
 * serialized once per job, not per request. So that a schema never promises a check that does not happen, a route with
 * a schema for params, query or body must set its own `validatorCompiler`; without one, the start fails.
 *
 * A start without Ajv takes 30 ms less. The types require the methods that Ajv adds to a validator; Fastify does not.
 */
export const DESCRIPTIVE_SCHEMAS = {
  compilersFactory: {
    buildValidator:
      () =>
      ({ httpPart, method, url }: { httpPart: string; method: string; url: string }) => {
        if (httpPart === 'headers') return () => true
        throw new Error(`${method} ${url}: the ${httpPart} schema needs a validatorCompiler`)
      },
    buildSerializer: () => () => JSON.stringify,
  },
} as unknown as SchemaController
