import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'

/** The part of an operation that the checks look for. */
export interface Operation {
  operationId: string
  /** With parameters in braces, such as `/jobs/{jobId}/quality`. */
  path: string
}

/** All operations of the contract. Each is a GET. */
export async function operationsOf(contract: string): Promise<Operation[]> {
  const { paths } = parse(await readFile(contract, 'utf8'))
  return Object.entries<{ get: { operationId: string } }>(paths).map(([path, { get }]) => ({
    operationId: get.operationId,
    path,
  }))
}
