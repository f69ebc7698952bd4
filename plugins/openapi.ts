import fastifySwagger from '@fastify/swagger'
import fp from 'fastify-plugin'
import { JobQualityListSchema } from '../src/jobs/job-list.ts'
import { JobQualitySchema } from '../src/jobs/job-quality.ts'
import { ProblemSchema } from '../src/problem.ts'

/** Options of {@link openApiPlugin}. */
export interface OpenApiOptions {
  serviceVersion: string
}

/** `app.swagger()`: the contract, made of the schemas of the routes. Registered before them, since it listens to each. */
export const openApiPlugin = fp(
  async function openApi(app, { serviceVersion }: OpenApiOptions) {
    app.addSchema(JobQualitySchema)
    app.addSchema(ProblemSchema)
    app.addSchema(JobQualityListSchema)
    await app.register(fastifySwagger, {
      openapi: {
        openapi: '3.1.0',
        info: {
          title: 'CDF job quality',
          version: serviceVersion,
          description: [
            'The quality of Cognite Data Fusion (CDF) contextualization jobs, in one normalized form.',
            '',
            'Ask as often as you like: done jobs come from a cache, and a crowd that polls one job costs CDF one read.',
            'Every failure is a problem (RFC 9457) with a code that programs can rely on.',
          ].join('\n'),
          license: { name: 'MIT', identifier: 'MIT' },
        },
        servers: [{ url: '/', description: 'This service' }],
        components: {
          securitySchemes: {
            bearer: {
              type: 'http',
              scheme: 'bearer',
              bearerFormat: 'JWT',
              description:
                'An access token of the issuer that this service trusts, for the audience that it is.',
            },
          },
        },
        tags: [
          { name: 'jobs', description: 'The quality of contextualization jobs.' },
          { name: 'health', description: 'Probes for whatever runs the service.' },
          {
            name: 'contract',
            description: 'What the service promises, for people and for programs.',
          },
        ],
      },
      refResolver: { buildLocalReference: (schema) => String(schema.$id) },
    })
  },
  { name: 'openapi' },
)
