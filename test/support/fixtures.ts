import { readFileSync } from 'node:fs'
import type { Fault } from '../../simulator/upstream/fault.ts'

/** The id of the job in the fixtures. */
export const JOB_ID = '6f1c2a34-8b0e-4d57-9f2c-1a7be0c94d21'

/** A job id that is unique for each number. */
export const jobIdOf = (number: number) =>
  `00000000-0000-4000-8000-${number.toString(16).padStart(12, '0')}`

/** The names of all headers of a request to CDF, in alphabetical order. */
export const CDF_REQUEST_HEADERS = [
  'accept',
  'authorization',
  'cdf-version',
  'connection',
  'host',
  'traceparent',
  'user-agent',
  'x-cdp-app',
  'x-cdp-sdk',
  'x-request-id',
]

/** A synthetic response of CDF or of a token endpoint, based on the published schemas. */
export interface Fixture {
  file: string
  status: number
  headers: Record<string, string>
  note: string
}

const folder = new URL('../../simulator/fixtures/', import.meta.url)

/** All fixtures. */
export const FIXTURES: readonly Fixture[] = JSON.parse(
  readFileSync(new URL('index.json', folder), 'utf8'),
).fixtures

/** The body of a fixture. */
export function fixtureText(file: string): string {
  return readFileSync(new URL(file, folder), 'utf8')
}

/** A certificate, or the private key of the certificates `localhost` and `expired`, as PEM. */
export function certificateText(name: 'localhost' | 'expired' | 'other' | 'localhost-key'): string {
  const file = name === 'localhost-key' ? `${name}.pem` : `${name}-certificate.pem`
  return readFileSync(new URL(`../fixtures/${file}`, import.meta.url), 'utf8')
}

/** A fixture as a fault that a simulated server can respond with. */
export function fixtureFault(file: string): Fault & { status: number } {
  const fixture = FIXTURES.find((candidate) => candidate.file === file)
  if (!fixture) throw new Error(`no fixture ${file}`)
  return { status: fixture.status, headers: fixture.headers, body: fixtureText(file) }
}
