import { hash } from 'node:crypto'
import type { JobId } from '../cdf/job-id.ts'
import { VERSION } from './stored-job.ts'

/** What the keys of a service belong to. Another identity may see other jobs. */
export interface RedisScope {
  /** Before every key and channel. */
  prefix: string
  cdf: { baseUrl: string; project: string }
  identityProvider: { clientId: string }
}

/**
 * The names of keys and channels in Redis. Those of a job are in one hash slot of a cluster, and so are the others. Versions
 * of the service that store results in different forms have different keys for a job.
 */
export function redisKeys({ prefix, cdf, identityProvider }: RedisScope) {
  const identity = hash('sha256', `${cdf.baseUrl} ${identityProvider.clientId}`, 'hex').slice(0, 12)
  const scope = `${prefix}${cdf.project}:${identity}`
  const ofJob = (jobId: JobId, name: string) => `${scope}:{${jobId}}:v${VERSION}:${name}`
  const ofFleet = (name: string) => `${scope}:{fleet}:${name}`
  return {
    /** String: the latest result of a job. */
    result: (jobId: JobId) => ofJob(jobId, 'result'),
    /** String: the token of the replica that reads the job. */
    lease: (jobId: JobId) => ofJob(jobId, 'lease'),
    /** Stream: released leases, as `sender jobId`. Channel: the same after the id of the entry. */
    announcements: ofFleet('announcements'),
    /** Hash: the live replicas and their claims on the concurrency limit. */
    replicas: ofFleet('replicas'),
    /** String that exists during a cool-down. */
    coolDown: ofFleet('cool-down'),
    /** String that exists while the circuit breaker is open. */
    openBreaker: ofFleet('open-breaker'),
    /** Channel: changes of the limits. */
    limits: ofFleet('limits'),
    /** String that is written to find out whether Redis accepts writes. */
    probe: ofFleet('probe'),
  }
}

/** The result of {@link redisKeys}. */
export type RedisKeys = ReturnType<typeof redisKeys>
