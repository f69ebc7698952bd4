/** Jobs that are cached. */
export const JOBS = 1_000

/** Their ids. */
export const jobIds = Array.from(
  { length: JOBS },
  (_, number) => `00000000-0000-4000-8000-${number.toString(16).padStart(12, '0')}`,
)

/** A finished job as CDF describes it. */
export function cdfJobOf(jobId: string): object {
  return {
    jobId,
    status: 'Completed',
    advancedJoinExternalId: 'pump-to-area-direct',
    matcher: {
      type: 'raw',
      dbName: 'contextualization',
      tableName: 'pump_area_matches',
      fromColumnKey: 'pumpExternalId',
      toColumnKey: 'areaExternalId',
    },
    qualityScorePercent: 87.5,
    confidencePercent: 62.31,
    contextualizationScorePercent: 71.04,
    createdTime: 1767780000000,
    startTime: 1767780004210,
    statusTime: 1767780096155,
  }
}

/** The same as the service answers it: what all that answer from memory have in theirs. */
export function jobQualityOf(jobId: string) {
  const { status, advancedJoinExternalId, matcher } = cdfJobOf(jobId) as Record<string, unknown>
  return {
    jobId,
    status,
    done: true,
    advancedJoinExternalId,
    matcher,
    scores: { qualityPercent: 87.5, confidencePercent: 62.31, contextualizationPercent: 71.04 },
    errorMessage: null,
    createdAt: '2026-01-07T10:00:00.000Z',
    startedAt: '2026-01-07T10:00:04.210Z',
    statusChangedAt: '2026-01-07T10:01:36.155Z',
  }
}

/** Where a server of the bench listens. */
export const PORT = Number(process.env.PORT)
