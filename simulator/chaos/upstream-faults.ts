import type { Fault } from '../upstream/fault.ts'
import type { Simulator } from '../upstream/start-simulator.ts'

const CDF_FAULTS: readonly Fault[] = [
  'reset',
  'reset-in-body',
  'hang',
  { delayMs: 100 },
  { slowBody: '{"jobId":', everyMs: 100 },
  { raw: 'nonsense\r\n' },
  { status: 200, body: '<html>' },
  { status: 200, body: '{"jobId":"x"}' },
  { status: 302, headers: { location: 'http://127.0.0.1:1/' } },
  { status: 401 },
  { status: 403 },
  { status: 404 },
  { status: 409, headers: { 'cdf-is-auto-retryable': 'true' } },
  { status: 429 },
  { status: 429, headers: { 'retry-after': '2' } },
  { status: 500 },
  { status: 503 },
]
const IDENTITY_PROVIDER_FAULTS: readonly Fault[] = [
  'reset',
  'hang',
  { delayMs: 100 },
  { status: 500 },
  { status: 429 },
  { status: 200, body: 'x' },
]

/**
 * Lets CDF and the identity provider fail at random.
 * @param endMs when to stop, a time of `performance.now()`. They have no faults when this resolves
 */
export async function injectUpstreamFaultsUntil(
  endMs: number,
  simulator: Simulator,
  random: () => number,
): Promise<void> {
  const oneOf = <T>(choices: readonly T[]) => choices[Math.floor(random() * choices.length)]
  while (performance.now() < endMs) {
    simulator.cdf.faults.standing = random() < 0.6 ? oneOf(CDF_FAULTS) : undefined
    simulator.identityProvider.faults.standing =
      random() < 0.3 ? oneOf(IDENTITY_PROVIDER_FAULTS) : undefined
    if (random() < 0.2) simulator.cdf.revokeTokens()
    await new Promise((resolve) => setTimeout(resolve, 50 + random() * 250))
  }
  simulator.cdf.faults.clear()
  simulator.identityProvider.faults.clear()
}
