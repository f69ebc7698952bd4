import { type AddressInfo, connect, createServer } from 'node:net'
import type { Test } from 'tap'

/** An address whose connections go to a port that can change, as that of a load balancer. */
export interface TcpForwarder {
  url: string
  /** Where new connections go; 0 refuses them. */
  port: number
}

/** Starts a TCP forwarder on a free loopback port. It stops at the end of the test. */
export async function startForwarder(t: Test, port: number): Promise<TcpForwarder> {
  const forwarder = { url: '', port }
  const server = createServer((client) => {
    client.on('error', () => {})
    if (forwarder.port === 0) return client.destroy()
    const target = connect(forwarder.port, '127.0.0.1')
    target.on('error', () => {})
    client.pipe(target).pipe(client)
    client.once('close', () => target.destroy())
    target.once('close', () => client.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  forwarder.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return forwarder
}
