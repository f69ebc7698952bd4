/** What the demo page shows about a replica of the service. */
export interface ReplicaState {
  /** Open event streams. */
  streams: number
  /** Requests to CDF for the jobs of the page. */
  cdfRequests: number
}
