import type { FastifyReply, FastifyRequest } from 'fastify'
import { matchesIfNoneMatch } from '../src/http/if-none-match.ts'
import type { PublicDocument } from '../src/http/public-document.ts'
import { acceptsGzip } from '../src/http/public-document.ts'

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
  const ifNoneMatch = headers['if-none-match']
  const hasDocument = [document.identity, document.gzip].some((representation) =>
    matchesIfNoneMatch(ifNoneMatch, representation.etag),
  )
  if (hasDocument) return reply.code(304).send()
  if (isGzip) reply.header('content-encoding', 'gzip')
  return reply.header('content-type', document.contentType).send(bytes)
}
