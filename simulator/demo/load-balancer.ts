import { once } from 'node:events'
import { Agent, createServer, request, type Server } from 'node:http'
import { pipeline } from 'node:stream'

/**
 * Starts an HTTP server on the loopback interface. It forwards each request to the target with the fewest open requests;
 * equal ones take turns. `x-replica` in a response is the number of the target, from 1 on.
 * @param targets URLs without a path
 */
export async function startLoadBalancer(port: number, targets: readonly string[]): Promise<Server> {
  const agent = new Agent({ keepAlive: true })
  const loads = targets.map((url, index) => ({ url, number: index + 1, open: 0, total: 0 }))
  const server = createServer((incoming, response) => {
    const target = loads.reduce((least, load) =>
      (load.open - least.open || load.total - least.total) < 0 ? load : least,
    )
    target.open += 1
    target.total += 1
    const { method, url = '/', headers } = incoming
    const forwarded = request(target.url + url, { method, headers, agent }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, {
        ...answer.headers,
        'x-replica': `${target.number}`,
      })
      pipeline(answer, response, () => {})
    })
    forwarded.on('error', () => {
      if (response.headersSent) response.destroy()
      else response.writeHead(502).end()
    })
    response.once('close', () => {
      target.open -= 1
      forwarded.destroy()
    })
    incoming.pipe(forwarded)
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  server.once('close', () => agent.destroy())
  return server
}
