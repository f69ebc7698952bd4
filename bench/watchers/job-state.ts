/** Identifies one state of one job. */
export const stateKey = (jobId: string, statusTimeMs: number) => `${jobId} ${statusTimeMs}`
