import type { Dispatcher } from 'undici'
import type { Clock } from '../async/clock.ts'
import type { ClientCredentialsOptions } from '../auth/service/client-credentials.ts'
import { createTokenRequester } from '../auth/service/client-credentials.ts'
import { TokenProvider, type TokenProviderOptions } from '../auth/service/token-provider.ts'
import { CdfClient, type CdfRequest } from './cdf-client.ts'
import { CircuitBreaker, type CircuitBreakerOptions } from './resilience/circuit-breaker.ts'
import { ConcurrencyLimit } from './resilience/concurrency-limit.ts'
import { CoolDown } from './resilience/cool-down.ts'
import { RetryBudget } from './resilience/retry-budget.ts'
import { UpstreamPolicy, type UpstreamPolicyOptions } from './resilience/upstream-policy.ts'

/** Options of {@link createCdfClient}. Each number is a variable in docs/configuration.md. */
export interface CreateCdfClientOptions extends Pick<Clock, 'now' | 'random'> {
  cdf: { baseUrl: string; project: string; version: string | undefined }
  identityProvider: Omit<ClientCredentialsOptions, 'dispatcher' | 'onExpiredCertificate'>
  upstream: {
    attemptTimeoutMs: number
    deadlineMs: number
    maxAttempts: number
    maxConcurrency: number
    maxQueue: number
  }
  dispatcher: Dispatcher
}

/** Called by what {@link createCdfClient} creates. */
export interface CdfClientListeners {
  onTokenRequestEnd: TokenProviderOptions['onTokenRequestEnd']
  onExpiredCertificate: (expiredAt: string) => void
  onBreakerChange: CircuitBreakerOptions['onChange']
  onPause: UpstreamPolicyOptions['onPause']
  /** Called after each HTTP request to CDF. */
  onRequestEnd: (request: CdfRequest) => void
}

/** Creates a client of CDF with its own token provider and limits. It sends nothing before its first use. */
export function createCdfClient(
  { cdf, identityProvider, upstream, dispatcher, now, random }: CreateCdfClientOptions,
  listeners: CdfClientListeners,
) {
  const { onExpiredCertificate, onBreakerChange } = listeners
  const requestToken = createTokenRequester({
    ...identityProvider,
    dispatcher,
    onExpiredCertificate,
  })
  const tokens = new TokenProvider({ requestToken, now, ...listeners })
  const concurrency = new ConcurrencyLimit(upstream.maxConcurrency, upstream.maxQueue)
  const coolDown = new CoolDown({ now, random })
  const breaker = new CircuitBreaker({ now, onChange: onBreakerChange })
  const policy = new UpstreamPolicy({ concurrency, coolDown, breaker, random, ...listeners })
  const retries = new RetryBudget(now)
  const parts = { tokens, policy, retries, dispatcher, random }
  const client = new CdfClient({ ...cdf, ...upstream, ...listeners, ...parts })
  return { client, tokens, policy, concurrency, coolDown, breaker }
}
