import type { FastifySchema } from 'fastify'

/** An operation of the contract, in the form that `@fastify/swagger` takes. */
export type Operation = FastifySchema &
  Required<Pick<FastifySchema, 'operationId' | 'tags' | 'summary' | 'description'>>

/** Operations by their routes. */
export type Operations = Record<`GET /${string}`, Operation>
