import type { Dispatcher } from 'undici'
import type { Clock } from '../async/clock.ts'
import type { ClientCredentialsOptions } from '../auth/service/client-credentials.ts'
import { createTokenRequester } from '../auth/service/client-credentials.ts'
import type { TokenProviderOptions } from '../auth/service/token-provider.ts'
import { TokenProvider } from '../auth/service/token-provider.ts'
import type { CdfRequest } from './cdf-client.ts'
import { CdfClient } from './cdf-client.ts'
import type { CircuitBreakerOptions } from './resilience/circuit-breaker.ts'
import { CircuitBreaker } from './resilience/circuit-breaker.ts'
import { ConcurrencyLimit } from './resilience/concurrency-limit.ts'
import { CoolDown } from './resilience/cool-down.ts'
import { RetryBudget } from './resilience/retry-budget.ts'
import type { UpstreamPolicyOptions } from './resilience/upstream-policy.ts'
import { UpstreamPolicy } from './resilience/upstream-policy.ts'

/** The configuration of a {@link CdfClientParts}. Each number is a variable in docs/configuration.md. */
export interface CdfClientSettings {
  cdf: { baseUrl: string; project: string; version: string | undefined }
  identityProvider: Omit<ClientCredentialsOptions, 'dispatcher' | 'onExpiredCertificate'>
  upstream: {
    attemptTimeoutMs: number
    deadlineMs: number
    maxAttempts: number
    maxConcurrency: number
    maxQueue: number
  }
}

interface CreateCdfClientOptions extends CdfClientSettings, Pick<Clock, 'now' | 'random'> {
  dispatcher: Dispatcher
  onTokenRequestEnd: TokenProviderOptions['onTokenRequestEnd']
  onExpiredCertificate: (expiredAt: string) => void
  onBreakerChange: CircuitBreakerOptions['onChange']
  onPause: UpstreamPolicyOptions['onPause']
  onRequestEnd: (request: CdfRequest) => void
}

/** The client of CDF, and what it depends on. */
export interface CdfClientParts {
  client: CdfClient
  tokens: TokenProvider
  policy: UpstreamPolicy
  concurrency: ConcurrencyLimit
  coolDown: CoolDown
  breaker: CircuitBreaker
}

/** Creates a client of CDF with its own token provider and limits. It sends nothing before its first use. */
export function createCdfClient(options: CreateCdfClientOptions): CdfClientParts {
  const { cdf, identityProvider, upstream, dispatcher, now, random } = options
  const { onExpiredCertificate, onTokenRequestEnd } = options
  const tokens = new TokenProvider({
    requestToken: createTokenRequester({ ...identityProvider, dispatcher, onExpiredCertificate }),
    now,
    onTokenRequestEnd,
  })
  const concurrency = new ConcurrencyLimit(upstream.maxConcurrency, upstream.maxQueue)
  const coolDown = new CoolDown({ now, random })
  const breaker = new CircuitBreaker({ now, onChange: options.onBreakerChange })
  const { onPause } = options
  const policy = new UpstreamPolicy({ concurrency, coolDown, breaker, onPause, random })
  const client = new CdfClient({
    baseUrl: cdf.baseUrl,
    project: cdf.project,
    cdfVersion: cdf.version,
    tokens,
    dispatcher,
    policy,
    retries: new RetryBudget(now),
    attemptTimeoutMs: upstream.attemptTimeoutMs,
    maxAttempts: upstream.maxAttempts,
    random,
    onRequestEnd: options.onRequestEnd,
  })
  return { client, tokens, policy, concurrency, coolDown, breaker }
}
