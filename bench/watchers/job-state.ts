/** Milliseconds since the epoch, finer than Date.now and equal in all processes of this machine. */
export const preciseNow = () => performance.timeOrigin + performance.now()

/** Identifies one state of one job. */
export const stateKey = (jobId: string, statusTimeMs: number) => `${jobId} ${statusTimeMs}`
