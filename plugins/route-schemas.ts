import fp from 'fastify-plugin'

/**
 * Route schemas describe the contract; they do not validate. Parsers such as `parseJobId` validate, because they also
 * produce the canonical form and the right problem, and responses are serialized once per job, not per request. So that
 * a schema never promises a check that does not happen, a route with a schema for params, query or body must set its
 * own `validatorCompiler`; without one, the start fails.
 */
export const routeSchemasPlugin = fp(
  async function routeSchemas(app) {
    app.setValidatorCompiler(({ httpPart, method, url }) => {
      if (httpPart === 'headers') return () => true
      throw new Error(`${method} ${url}: the ${httpPart} schema needs a validatorCompiler`)
    })
    app.setSerializerCompiler(() => JSON.stringify)
  },
  { name: 'route-schemas' },
)
