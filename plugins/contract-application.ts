import fastifySwagger from '@fastify/swagger'
import type { FastifyInstance, RouteOptions } from 'fastify'
import Fastify from 'fastify'
import { JOB_EVENT_SCHEMA, JOB_PROBLEM_SCHEMA } from '../src/jobs/job-event.ts'
import { JOB_QUALITY_LIST_SCHEMA } from '../src/jobs/job-list.ts'
import { JOB_QUALITY_SCHEMA } from '../src/jobs/job-quality.ts'
import { PROBLEM_SCHEMA } from '../src/problem.ts'
import { NO_COMPILERS } from './no-compilers.ts'
import type { MadeDocument } from './openapi-components.ts'
import { withComponents } from './openapi-components.ts'

const DESCRIPTION = `
The quality of Cognite Data Fusion (CDF) contextualization jobs, in one normalized form.

Ask as often as you like: done jobs come from a cache, and a crowd that polls one job costs CDF one read.
Every failure is a problem (RFC 9457) with a code that programs can rely on.

\`HEAD\` works wherever \`GET\` does, with the same headers and no body. For the front ends of origins that the operator has named, answers carry the headers of CORS as well.
`.trim()

const BEARER = `
An OAuth 2.0 access token in the form of a JWT (RFC 9068), sent as RFC 6750 says. It must come from the issuer that the operator of this deployment trusts, be meant for this deployment, and have the scope that this deployment requires, if any.

A service gets one by its client credentials, a front end by authorization code with PKCE.
`.trim()

/** The issuer differs by deployment, and the contract does not: a name that can be nobody's (RFC 2606) stands for it. */
const ISSUER = 'https://issuer.example/oauth2'
const OAUTH = `
How one gets that token. The issuer differs by deployment, and \`issuer.example\` stands for it; the Swagger UI of a deployment has the URLs of its own, where the operator has named a client for it.
`.trim()

/**
 * An application with these routes, none of which does anything, and `swagger()`: the contract, made of their schemas.
 * It is not ready yet, so that Swagger UI can be added to it.
 */
export async function contractApplication(
  routes: readonly RouteOptions[],
  serviceVersion: string,
): Promise<FastifyInstance> {
  const app = Fastify({ schemaController: NO_COMPILERS })
  for (const schema of [
    JOB_QUALITY_SCHEMA,
    JOB_QUALITY_LIST_SCHEMA,
    JOB_EVENT_SCHEMA,
    JOB_PROBLEM_SCHEMA,
    PROBLEM_SCHEMA,
  ]) {
    app.addSchema(schema)
  }
  await app.register(fastifySwagger, {
    openapi: {
      // The first version that can say what the events of a stream are.
      openapi: '3.2.0',
      info: {
        title: 'CDF job quality',
        version: serviceVersion,
        description: DESCRIPTION,
        contact: { name: 'The operator of this deployment' },
        license: { name: 'MIT', identifier: 'MIT' },
      },
      // Relative to the document, so that it holds behind a path prefix.
      servers: [{ url: '.', description: 'The deployment that this document comes from' }],
      tags: [
        { name: 'jobs', description: 'The quality of contextualization jobs.' },
        { name: 'health', description: 'Probes for whatever runs the service.' },
        {
          name: 'contract',
          description: 'What the service promises, for people and for programs.',
        },
      ],
      security: [{ bearer: [] }, { oauth: [] }],
      components: {
        securitySchemes: {
          bearer: {
            type: 'http',
            scheme: 'bearer',
            bearerFormat: 'JWT',
            description: BEARER,
          },
          oauth: {
            type: 'oauth2',
            description: OAUTH,
            flows: {
              clientCredentials: { tokenUrl: `${ISSUER}/token`, scopes: {} },
              authorizationCode: {
                authorizationUrl: `${ISSUER}/authorize`,
                tokenUrl: `${ISSUER}/token`,
                scopes: {},
              },
            },
          },
        },
      },
    },
    // It would take the server for a URL with a path of its own.
    stripBasePath: false,
    refResolver: { buildLocalReference: (schema) => String(schema.$id) },
    transformObject: (made) => {
      const { openapiObject } = made as { openapiObject: MadeDocument }
      const { components, paths, ...head } = withComponents(openapiObject)
      // What one looks for first stands first.
      return { ...head, paths, components }
    },
  })
  for (const { url, schema = {} } of routes) {
    app.get(url, { schema }, (_request, reply) => reply.callNotFound())
  }
  return app
}
