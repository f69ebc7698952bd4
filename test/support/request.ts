/** A response with its body. */
export interface HttpResponse {
  status: number
  headers: Headers
  text: string
  /** The parsed body if it is JSON, else `undefined`. */
  body: unknown
}

/** Sends a request and reads the response. Does not follow redirects. */
export async function request(url: string, options: RequestInit = {}): Promise<HttpResponse> {
  const response = await fetch(url, { redirect: 'manual', ...options })
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json') && text !== ''
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: isJson ? JSON.parse(text) : undefined,
  }
}
