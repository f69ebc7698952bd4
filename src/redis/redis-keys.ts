import { hash } from 'node:crypto'
import type { JobId } from '../cdf/job-id.ts'
import { VERSION } from './stored-job.ts'

/** What the keys of a service belong to. Another identity may see other jobs. */
export interface RedisScope {
  /** Before every key and channel. */
  prefix: string
  project: string
  cdfUrl: string
  clientId: string
}

/**
 * The names of keys and channels in Redis. Those of a job are in one hash slot of a cluster, and so are the others. Versions
 * of the service that store results in different forms have different keys for a job.
 */
export class RedisKeys {
  readonly #scope: string

  constructor({ prefix, project, cdfUrl, clientId }: RedisScope) {
    const identity = hash('sha256', `${cdfUrl} ${clientId}`, 'hex').slice(0, 12)
    this.#scope = `${prefix}${project}:${identity}`
  }

  /** String: the latest result of a job. */
  result(jobId: JobId): string {
    return `${this.#job(jobId)}:result`
  }

  /** String: the token of the replica that reads the job. */
  lease(jobId: JobId): string {
    return `${this.#job(jobId)}:lease`
  }

  /** Stream: the reads that have ended lately, as `sender jobId`. Also the channel: the same after the id of the entry. */
  get announcements(): string {
    return `${this.#scope}:{fleet}:announcements`
  }

  /** Hash: the live replicas and their claims on the concurrency limit. */
  get replicas(): string {
    return `${this.#scope}:{fleet}:replicas`
  }

  /** String that exists during a cool-down. */
  get coolDown(): string {
    return `${this.#scope}:{fleet}:cool-down`
  }

  /** String that exists while the circuit breaker is open. */
  get openBreaker(): string {
    return `${this.#scope}:{fleet}:open-breaker`
  }

  /** Channel: changes of the limits. */
  get limits(): string {
    return `${this.#scope}:{fleet}:limits`
  }

  /** String that is written to find out whether Redis accepts writes. */
  get probe(): string {
    return `${this.#scope}:{fleet}:probe`
  }

  #job(jobId: JobId): string {
    return `${this.#scope}:{${jobId}}:v${VERSION}`
  }
}
