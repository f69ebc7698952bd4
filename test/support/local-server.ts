import { readFileSync } from 'node:fs'
import { createServer, type Server as HttpServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import type { Test } from 'tap'

const pem = (name: string) =>
  readFileSync(new URL(`../fixtures/${name}`, import.meta.url), { encoding: 'utf8' })

/** A self-signed certificate for `localhost` and 127.0.0.1. */
export const CERTIFICATE = pem('localhost-certificate.pem')

/** Starts an HTTP server on a free loopback port and returns its origin. It stops at the end of the test. */
export async function startServer(t: Test, onRequest: RequestListener): Promise<string> {
  return `http://127.0.0.1:${await listen(t, createServer(onRequest))}`
}

/** Key and certificate of a server with TLS. */
export const TLS = { key: pem('localhost-key.pem'), cert: CERTIFICATE }

/** The same with TLS and {@link CERTIFICATE}. */
export async function startTlsServer(t: Test, onRequest: RequestListener): Promise<string> {
  return `https://localhost:${await listen(t, createTlsServer(TLS, onRequest))}`
}

/** Lets a server listen on a free loopback port, which it returns, until the end of the test. */
export async function listen(t: Test, server: Server | HttpServer): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    if ('closeAllConnections' in server) server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

/** A loopback port on which no process listens. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
