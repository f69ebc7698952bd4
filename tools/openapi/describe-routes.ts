import { CONTRACT_OPERATIONS } from './operations/contract-operations.ts'
import { HEALTH_OPERATIONS } from './operations/health-operations.ts'
import { JOB_OPERATIONS } from './operations/job-operations.ts'
import type { Operation, Operations } from './operations/operation.ts'

const OPERATIONS: Operations = { ...JOB_OPERATIONS, ...HEALTH_OPERATIONS, ...CONTRACT_OPERATIONS }

/** A route that answers GET. */
export interface PublicRoute {
  url: string
}

/** A route with its operation. */
export interface DescribedRoute extends PublicRoute {
  schema: Operation
}

/** Joins each route with its operation. Both must exist. */
export function describeRoutes(
  routes: readonly PublicRoute[],
  operations: Operations = OPERATIONS,
): DescribedRoute[] {
  const unused = new Map<string, Operation>(Object.entries(operations))
  const described = routes.map(({ url }) => {
    const schema = unused.get(`GET ${url}`)
    if (!schema)
      throw new Error(`GET ${url}: describe it in tools/openapi/operations/ or hide the route`)
    unused.delete(`GET ${url}`)
    return { url, schema }
  })
  const [name] = unused.keys()
  if (name) throw new Error(`tools/openapi/operations/ describes ${name}, which is no public route`)
  return described
}
