/** Greatest number of jobs in one request. */
const MAX_JOBS = 100

/** A longer job id is invalid. The service cuts it in its responses, too. */
const MAX_LENGTH = 64

/**
 * The canonical form of a job id: UUIDs are in lower case, integers stay as they are. Any other text becomes what the
 * service repeats in its response.
 */
export function canonicalJobId(jobId: string): string {
  return jobId.toLowerCase().slice(0, MAX_LENGTH).toWellFormed()
}

/** Repeats the parameter `jobId`. */
export function queryOf(jobIds: readonly string[]): string {
  return jobIds.map((jobId) => `jobId=${encodeURIComponent(jobId)}`).join('&')
}

/** Splits the distinct canonical ids into pages of at most 100. */
export function pagesOf(jobIds: readonly string[]): string[][] {
  const ids = [...new Set(jobIds.map(canonicalJobId))]
  const pages: string[][] = []
  for (let from = 0; from < ids.length; from += MAX_JOBS)
    pages.push(ids.slice(from, from + MAX_JOBS))
  return pages
}
