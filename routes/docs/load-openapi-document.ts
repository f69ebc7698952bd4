import fastifySwagger from '@fastify/swagger'
import Fastify from 'fastify'

/** Parses `openapi.yaml`. */
export async function loadOpenApiDocument(path: string) {
  const app = Fastify()
  await app.register(fastifySwagger, {
    mode: 'static',
    specification: { path, baseDir: '.' },
  })
  await app.ready()
  const document = app.swagger()
  await app.close()
  return document
}

/** The parsed document. */
export type OpenApiDocument = Awaited<ReturnType<typeof loadOpenApiDocument>>
