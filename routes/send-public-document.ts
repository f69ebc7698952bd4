import type { FastifyReply, FastifyRequest } from 'fastify'
import { matchesIfNoneMatch } from '../src/http/entity-tag.ts'
import { acceptsGzip, type PublicDocument } from '../src/http/public-document.ts'

/** Sends a document compressed if the caller accepts that, or 304 if the caller has it. */
export function sendPublicDocument(
  { headers }: FastifyRequest,
  reply: FastifyReply,
  document: PublicDocument,
): FastifyReply {
  const isGzip = acceptsGzip(headers['accept-encoding'])
  const { bytes, etag } = isGzip ? document.gzip : document.identity
  reply.headers({
    ...document.headers,
    'cache-control': 'no-cache',
    vary: 'Accept-Encoding',
    etag,
  })
  // Also matches the tag of the compressed representation.
  if (matchesIfNoneMatch(headers['if-none-match'], document.identity.etag))
    return reply.code(304).send()
  if (isGzip) reply.header('content-encoding', 'gzip')
  return reply.header('content-type', document.contentType).send(bytes)
}
