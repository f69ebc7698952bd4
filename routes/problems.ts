import { createHash } from 'node:crypto'
import type { FastifyPluginAsync } from 'fastify'
import { once } from '../src/async/once.ts'
import { type PublicDocument, publicDocument } from '../src/http/public-document.ts'
import { ProblemError } from '../src/problems/problem.ts'
import { PROBLEM_CODES, PROBLEM_TYPES, type ProblemCode } from '../src/problems/problem-types.ts'
import { sendPublicDocument } from './send-public-document.ts'

/** `GET /problems/{slug}`: the page that the `type` of a problem links to. */
export const problemRoutes: FastifyPluginAsync = async (app) => {
  const pages = new Map<string, () => Promise<PublicDocument>>()
  const headers = { 'content-security-policy': PAGE_CSP }
  for (const code of PROBLEM_CODES) {
    pages.set(
      code,
      once(() => publicDocument(page(code), 'text/html; charset=utf-8', headers)),
    )
  }

  app.get<{ Params: { slug: string } }>('/:slug', async (request, reply) => {
    const getPage = pages.get(request.params.slug)
    if (!getPage) throw new ProblemError('not-found')
    return sendPublicDocument(request, reply, await getPage())
  })
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
/** Allows the page's own style and nothing else. */
const PAGE_CSP = `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

/** The texts need no escaping: a test checks that they hold no HTML markup. */
function page(code: ProblemCode): string {
  const { title, status, detail, forCaller, forOperator } = PROBLEM_TYPES[code]
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
