import { connect } from 'node:net'

/** Sends bytes over a new TCP connection and returns all bytes received until the connection closes. */
export function sendRaw(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes, 'latin1'))
    let response = ''
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => {
      response += chunk
    })
    socket.on('close', () => resolve(response))
    // The server may reset the connection after its response.
    socket.on('error', (error) => (response === '' ? reject(error) : resolve(response)))
  })
}

/** Parses a raw response whose body is empty or JSON. */
export function parseRaw(response: string): {
  status: number
  headers: Headers
  body: Record<string, unknown>
} {
  const end = response.indexOf('\r\n\r\n')
  const [statusLine = '', ...lines] = response.slice(0, end).split('\r\n')
  const headers = new Headers(
    lines.map((line) => [
      line.slice(0, line.indexOf(':')),
      line.slice(line.indexOf(':') + 1).trim(),
    ]),
  )
  const body = response.slice(end + 4)
  return { status: Number(statusLine.split(' ')[1]), headers, body: body ? JSON.parse(body) : {} }
}
