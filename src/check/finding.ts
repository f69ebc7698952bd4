/** What one step of the check has found. */
export interface Finding {
  ok: boolean
  /** What was tried, and what came back. */
  text: string
  /** What to do, or the job. */
  details?: string | undefined
}
