import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { withMockServer } from './mock-server.ts'
import { operationsOf } from './operations.ts'
import type { Check } from './workspace.ts'

/** Ids for the parameters in paths. */
const SAMPLES: Record<string, string> = {
  jobId: '11111111-aaaa-4aaa-8aaa-aaaaaaaaaaaa',
  slug: 'job-not-found',
}
const TOKEN = 'a-token'

/** Tools that send or answer requests, by package. Prism answers the others. */
export const SENDERS: Record<string, Check> = {
  '@stoplight/prism-cli': (workspace) =>
    withMockServer(workspace, async (baseUrl) => {
      const operations = await operationsOf(workspace.contract)
      for (const { path } of operations) {
        const url = `${baseUrl}${path.replaceAll(/\{(\w+)\}/g, (_, name) => SAMPLES[name] ?? '')}`
        const query = path.startsWith('/jobs/quality') ? `?jobId=${SAMPLES.jobId}&jobId=7` : ''
        const response = await fetch(`${url}${query}`, {
          headers: { authorization: `Bearer ${TOKEN}` },
        })
        const text = await response.text()
        if (response.status !== 200) throw new Error(`${response.status} for ${path}: ${text}`)
        const expected = path.endsWith('/events')
          ? 'event: status\n'
          : path.startsWith('/jobs/')
            ? '"status":"Completed"'
            : ''
        if (!text.includes(expected)) throw new Error(`not the example of ${path}: ${text}`)
      }
      const { status } = await fetch(`${baseUrl}/jobs/no-id/quality`)
      if (status < 400) throw new Error(`${status} for a request that the contract forbids`)
      return `mock server: ${operations.length} operations answered with their examples`
    }),
  'swagger-client': (workspace) =>
    withMockServer(workspace, async (baseUrl) => {
      await workspace.evaluate(`
        import SwaggerClient from 'swagger-client'
        import { readFile } from 'node:fs/promises'
        import { parse } from 'yaml'
        const spec = parse(await readFile(contract, 'utf8'))
        const authorizations = { bearer: '${TOKEN}' }
        // The server URL of the contract is relative to the contract.
        const url = '${baseUrl}/openapi.json'
        const { apis, errors } = await SwaggerClient({ spec, url, authorizations })
        if (errors.length > 0) throw new Error(JSON.stringify(errors))
        const jobId = '${SAMPLES.jobId}'
        const { body } = await apis.jobs.getJobQuality({ jobId })
        if (body.status !== 'Completed') throw new Error(JSON.stringify(body))
        await apis.jobs.listJobQualities({ jobId: [jobId, '7'] })`)
      return 'calls one job and a list'
    }),
  'openapi-to-postmanv2': async ({ run, contract, createFolder }) => {
    const file = join(await createFolder('postman'), 'collection.json')
    await run('openapi2postmanv2', '-s', contract, '-o', file)
    const operations = await operationsOf(contract)
    const requests = requestsOf(JSON.parse(await readFile(file, 'utf8')).item)
    const missing = operations.filter(
      ({ path }) => !requests.includes(path.replaceAll(/\{(\w+)\}/g, ':$1')),
    )
    if (missing.length > 0) throw new Error(`missing: ${JSON.stringify(missing)}`)
    return `collection with ${requests.length} requests`
  },
  '@apideck/portman': (workspace) =>
    withMockServer(workspace, async (baseUrl) => {
      const { run, contract, createFolder } = workspace
      const folder = await createFolder('portman')
      const [collection, report] = [join(folder, 'collection.json'), join(folder, 'report.json')]
      await run('portman', '--local', contract, '--output', collection, '--baseUrl', baseUrl)
      const variables = ['--env-var', `baseUrl=${baseUrl}`, '--env-var', `bearerToken=${TOKEN}`]
      const reporter = ['--reporters', 'json', '--reporter-json-export', report]
      await run('newman', 'run', collection, ...variables, ...reporter)
      const { requests } = JSON.parse(await readFile(report, 'utf8')).run.stats
      return `collection with ${requests.total} requests; its contract tests pass`
    }),
}

/** A folder or a request of a Postman collection. */
interface Item {
  item?: Item[]
  request?: { url: { path: string[] } }
}

/** The paths of all requests. */
function requestsOf(items: Item[]): string[] {
  return items.flatMap(({ item = [], request }) => [
    ...(request ? [`/${request.url.path.join('/')}`] : []),
    ...requestsOf(item),
  ])
}
