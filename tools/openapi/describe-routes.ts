import { CONTRACT_OPERATIONS } from './operations/contract-operations.ts'
import { HEALTH_OPERATIONS } from './operations/health-operations.ts'
import { JOB_OPERATIONS } from './operations/job-operations.ts'
import type { Operations } from './operations/operation.ts'

const OPERATIONS: Operations = { ...JOB_OPERATIONS, ...HEALTH_OPERATIONS, ...CONTRACT_OPERATIONS }

/**
 * The operations with the URLs of their routes.
 * @param urls of the public routes, which answer GET
 * @throws an error for a route without an operation, and for an operation without a route
 */
export function describeRoutes(urls: readonly string[], operations: Operations = OPERATIONS) {
  const described = Object.entries(operations).map(([name, schema]) => ({
    url: name.replace(/^GET /, ''),
    schema,
  }))
  for (const url of urls) {
    if (!described.some((route) => route.url === url))
      throw new Error(`GET ${url}: describe it in tools/openapi/operations/ or hide the route`)
  }
  for (const { url } of described) {
    if (!urls.includes(url))
      throw new Error(`tools/openapi/operations/ describes GET ${url}, which is no public route`)
  }
  return described
}
