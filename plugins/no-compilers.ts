import type { FastifyServerOptions } from 'fastify'

/**
 * For `schemaController`: a route checks what it uses of a request, and answers are texts when they are sent, so that schemas
 * are for the contract only, and Ajv and fast-json-stringify are not even loaded. The types want what Ajv adds to a
 * validator; Fastify calls it only.
 */
export const NO_COMPILERS = {
  compilersFactory: {
    buildValidator: () => () => () => true,
    buildSerializer: () => () => JSON.stringify,
  },
} as unknown as NonNullable<FastifyServerOptions['schemaController']>
