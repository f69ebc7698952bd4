import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Workspace } from './workspace.ts'

/** Runs a function while Prism serves the contract's examples. The function gets the base URL. */
export async function withMockServer<Result>(
  { contract, start }: Workspace,
  use: (baseUrl: string) => Promise<Result>,
): Promise<Result> {
  const port = await freePort()
  const prism = start('prism', 'mock', '--port', String(port), contract)
  try {
    await new Promise<void>((resolve, reject) => {
      prism.stdout?.on('data', (text) => {
        if (String(text).includes('Prism is listening')) resolve()
      })
      prism.once('exit', (code) => reject(new Error(`Prism ended with exit code ${code}`)))
    })
    return await use(`http://127.0.0.1:${port}`)
  } finally {
    prism.kill()
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
