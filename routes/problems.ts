import { createHash } from 'node:crypto'
import type { FastifyPluginAsync } from 'fastify'
import { ProxyError } from '../src/problem.ts'
import type { ProblemCode } from '../src/problem-table.ts'
import { isProblemCode, PROBLEMS } from '../src/problem-table.ts'
import { ANY_ROUTE, problemResponses } from './problem-responses.ts'
import { responseHeaders } from './response-headers.ts'

/** `GET /problems/{slug}`: what the `type` of a problem leads to. */
export const problemRoutes: FastifyPluginAsync = async (app) => {
  app.get<{ Params: { slug: string } }>(
    '/:slug',
    {
      schema: {
        operationId: 'getProblemPage',
        tags: ['contract'],
        summary: 'What a type of problem means',
        description:
          'A page for people: when the problem occurs, and who can do what about it. The type of each problem leads here.',
        security: [],
        params: {
          type: 'object',
          required: ['slug'],
          properties: {
            slug: {
              type: 'string',
              description: 'The code of the problem.',
              examples: ['job-not-found'],
            },
          },
        },
        response: {
          200: {
            description: 'A page.',
            headers: responseHeaders(),
            content: { 'text/html': { schema: { type: 'string' } } },
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

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 42rem; margin: 3rem auto; padding: 0 1rem }
h2 { margin: 2rem 0 0; font-size: 1rem }
p { margin: 0.5rem 0 }
code { font-size: 0.95em }
footer { margin-top: 3rem; font-size: 0.9rem }
`
const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64')
/** A page without anything but its text and how it looks. */
const PAGE_CSP = `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

/** The table holds plain text without anything that HTML would take for markup; a test says so. */
function page(code: ProblemCode): string {
  const { title, status, detail, forCaller, forOperator } = PROBLEMS[code]
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${title}</title><link rel="icon" href="data:,"><style>${STYLE}</style>
</head>
<body>
<main>
<h1>${title}</h1>
<p><code>${code}</code>, HTTP status ${status}</p>
<h2>What happened</h2>
<p>${detail}</p>
<h2>What the caller can do</h2>
<p>${forCaller}</p>
<h2>What the operator can do</h2>
<p>${forOperator}</p>
</main>
<footer><a href="../docs">All routes and problems</a></footer>
</body>
</html>
`
}
