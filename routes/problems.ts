import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { ProblemCode } from '../src/problem.ts'
import { isProblemCode, PROBLEMS, ProxyError } from '../src/problem.ts'
import { ANY_ROUTE, problemResponses } from './problem-responses.ts'
import { responseHeaders } from './response-headers.ts'

/** A page without anything but its text. */
const PAGE_CSP = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** `GET /problems/{slug}`: what the `type` of a problem leads to. */
export const problemRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/:slug',
    {
      schema: {
        operationId: 'getProblemPage',
        tags: ['contract'],
        summary: 'What a type of problem means',
        description:
          'A page for people: when the problem occurs, and who can do what about it. The type of each problem leads here.',
        security: [],
        params: Type.Object({
          slug: Type.String({
            description: 'The code of the problem.',
            examples: ['job-not-found'],
          }),
        }),
        response: {
          200: {
            description: 'A page.',
            headers: responseHeaders(),
            content: { 'text/html': { schema: Type.String() } },
          },
          ...problemResponses(...ANY_ROUTE, 'NotFound', 'UriTooLong'),
        },
      },
    },
    async (request, reply) => {
      const { slug } = request.params
      if (!isProblemCode(slug)) throw new ProxyError('not-found')
      return reply
        .headers({
          'content-type': 'text/html; charset=utf-8',
          'content-security-policy': PAGE_CSP,
        })
        .send(page(slug))
    },
  )
}

/** The table holds plain text without anything that HTML would take for markup; a test says so. */
function page(code: ProblemCode): string {
  const { title, status, detail, help } = PROBLEMS[code]
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title></head>
<body>
<h1>${title}</h1>
<p><code>${code}</code>, HTTP status ${status}</p>
<p>${detail}</p>
<p>${help}</p>
</body>
</html>
`
}
