/** Times without calls to CDF; milliseconds, 0 = none. */
export interface CallPause {
  /** Remaining cool-down after a 429. */
  readonly coolDownMs: number
  /** Remaining time of an open circuit breaker. */
  readonly openMs: number
}

/** A replica, as the shared limits see it. */
export interface LimitedReplica {
  /** Number of calls to CDF in flight. */
  readonly callsInFlight: number
  /** Sets how many calls may be in flight; 0 = calls wait. */
  setMaxConcurrency(maxConcurrency: number): void
  /** Another replica was throttled, or its circuit breaker has opened. */
  adoptPause(pause: CallPause): void
}

/** The limits that replicas share, because CDF throttles their one identity. */
export interface SharedLimits {
  /** Starts to follow the fleet. Resolves when the replica has its share of the limits. Never rejects. */
  start(replica: LimitedReplica): Promise<void>
  /** Makes the other replicas pause. */
  pause(pause: CallPause): void
  /** Number of live replicas, this one included. */
  readonly replicas: number
}

/** The limits of a replica that works alone. */
export const UNSHARED_LIMITS: SharedLimits = {
  start: async () => {},
  pause: () => {},
  replicas: 1,
}
