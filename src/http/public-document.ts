import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { entityTagFor } from './entity-tag.ts'

/** A representation of a document: its bytes and strong entity tag. */
export interface Representation {
  readonly bytes: Buffer
  readonly etag: string
}

/** A document that is the same for every caller. It is built once, and all responses share its bytes. */
export interface PublicDocument {
  readonly contentType: string
  /** Headers besides the content type, such as a policy for a page. */
  readonly headers: Readonly<Record<string, string>>
  readonly identity: Representation
  readonly gzip: Representation
}

const gzipAsync = promisify(gzip)

/** Builds a document, plain and compressed. */
export async function publicDocument(
  content: string | Buffer,
  contentType: string,
  headers: Record<string, string> = {},
): Promise<PublicDocument> {
  const bytes = Buffer.from(content)
  const etag = entityTagFor(bytes)
  return {
    contentType,
    headers,
    identity: { bytes, etag },
    // A strong entity tag identifies one representation (RFC 9110 §8.8.1).
    gzip: { bytes: await gzipAsync(bytes), etag: etag.replace(/"$/, '-gzip"') },
  }
}

/**
 * Whether an `Accept-Encoding` header allows gzip.
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3
 */
export function acceptsGzip(header: string | string[] | undefined): boolean {
  return String(header ?? '')
    .toLowerCase()
    .split(',')
    .some((coding) => /^\s*(?:x-)?gzip\s*(?:;\s*q\s*=\s*(?!0(?:\.0*)?\s*$)|$)/.test(coding))
}
