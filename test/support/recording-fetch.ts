/** A request that a {@link recordingFetch} has sent. */
export interface SentRequest {
  url: URL
  headers: Headers
  /** 0 before the response, and if there is none. */
  status: number
  /** Whether the head of the response has arrived, or the request has failed. */
  isAnswered: boolean
}

/** A `fetch` that records its requests, oldest first. */
export function recordingFetch(): { fetch: typeof fetch; requests: SentRequest[] } {
  const requests: SentRequest[] = []
  return {
    requests,
    fetch: async (input, init) => {
      const request = {
        url: new URL(String(input)),
        headers: new Headers(init?.headers),
        status: 0,
        isAnswered: false,
      }
      requests.push(request)
      try {
        const response = await fetch(input, init)
        request.status = response.status
        return response
      } finally {
        request.isAnswered = true
      }
    },
  }
}
