import fastifySwagger from '@fastify/swagger'
import Fastify from 'fastify'

/** Parses `openapi.yaml`. */
export async function loadContract(path: string) {
  const app = Fastify()
  await app.register(fastifySwagger, {
    mode: 'static',
    specification: { path, baseDir: '.' },
  })
  await app.ready()
  const contract = app.swagger()
  await app.close()
  return contract
}

/** The parsed contract. */
export type Contract = Awaited<ReturnType<typeof loadContract>>
