import fastifySwagger from '@fastify/swagger'
import Fastify from 'fastify'
import type { describeRoutes } from './describe-routes.ts'
import { type GeneratedDocument, withComponents } from './openapi-components.ts'
import { JOB_EVENT_SCHEMA, JOB_PROBLEM_SCHEMA } from './schemas/job-event.ts'
import { JOB_QUALITY_LIST_SCHEMA } from './schemas/job-list.ts'
import { JOB_QUALITY_SCHEMA } from './schemas/job-quality.ts'
import { PROBLEM_SCHEMA } from './schemas/problem.ts'

const DESCRIPTION = `
The quality of Cognite Data Fusion (CDF) contextualization jobs, in one normalized form.

Done jobs come from a cache, and concurrent callers of one job share one read of CDF. Each caller may send 600 requests per minute by default.
Every failure is a problem (RFC 9457) with a code for programs.

\`HEAD\` works wherever \`GET\` does, with the same headers and no body. \`OPTIONS\` names the methods of a path in \`allow\`. If the operator has allowed the origin of a front end, responses also carry CORS headers.

Every response has \`x-request-id\`. Problems also have the headers \`ratelimit-policy\`, \`ratelimit\`, \`cache-status\`, \`age\` and \`preference-applied\` where a success has them.

## Changes

Ignore what you do not know: a later version may add members, headers, routes and optional parameters, and new values of \`status\`, \`code\` and the names of events. Everything else stays as it is.

What will go is marked as \`deprecated\` here for at least six months. Meanwhile, its responses have the headers \`Deprecation\` (RFC 9745) and \`Sunset\` (RFC 8594), which says when it goes.

A version that breaks callers gets its own paths, such as \`/v2/jobs/{jobId}/quality\`. The paths of this version are then deprecated.
`.trim()

const BEARER = `
An OAuth 2.0 access token in the form of a JWT (RFC 9068), sent as in RFC 6750. The operator of the deployment configures its issuer, its audience and, optionally, a required scope.

A service gets a token with client credentials, a front end with authorization code and PKCE.
`.trim()

/** A placeholder (RFC 2606): the issuer differs by deployment, the contract does not. */
const ISSUER = 'https://issuer.example/oauth2'
const OAUTH = `
How to get that token. \`issuer.example\` is a placeholder for the issuer of the deployment. Swagger UI shows the real URLs if the operator has configured a client for it.
`.trim()

/** The contract as YAML, generated from the operations of the routes. */
export async function openApiDocument(
  routes: ReturnType<typeof describeRoutes>,
  serviceVersion: string,
): Promise<string> {
  const app = Fastify()
  // This application answers no request, so its schemas need no compilation.
  app.setValidatorCompiler(() => () => true)
  app.setSerializerCompiler(() => JSON.stringify)
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
      // 3.2 can describe the events of a stream, but most tools cannot read it yet.
      openapi: '3.1.1',
      info: {
        title: 'CDF job quality',
        version: serviceVersion,
        description: DESCRIPTION,
        contact: { name: 'The operator of this deployment' },
        license: { name: 'MIT', identifier: 'MIT' },
      },
      // Relative to the document, so that it is right behind a path prefix.
      servers: [{ url: '.', description: 'This deployment' }],
      tags: [
        { name: 'jobs', description: 'The quality of contextualization jobs.' },
        { name: 'health', description: 'Probes for the orchestrator.' },
        {
          name: 'contract',
          description: 'The contract, for people and programs.',
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
    // The server URL is relative, so there is no base path to strip.
    stripBasePath: false,
    refResolver: { buildLocalReference: (schema) => String(schema.$id) },
    transformObject: (generated) => {
      const { openapiObject } = generated as { openapiObject: GeneratedDocument }
      const { components, paths, ...head } = withComponents(openapiObject)
      // Readers look for paths first.
      return { ...head, paths, components }
    },
  })
  for (const { url, schema } of routes) app.get(url, { schema }, () => {})
  await app.ready()
  return app.swagger({ yaml: true })
}
