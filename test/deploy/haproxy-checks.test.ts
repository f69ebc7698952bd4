import t from 'tap'
import { freePort } from '../support/local-server.ts'
import { request } from '../support/request.ts'
import { haproxy, startReverseProxy } from '../support/reverse-proxy.ts'
import { skipWithout } from '../support/skip-without.ts'
import { startService } from '../support/start-service.ts'
import { until } from '../support/wait.ts'

t.test(
  "HAProxy's default check and the check of the example see the service up, and the latter its shutdown",
  { skip: await skipWithout('haproxy', '-v') },
  async (t) => {
    const { port, app, logs } = await startService(t, { environment: { AUTH_MODE: 'jwt' } })
    const statsPort = await freePort()
    const more = `
frontend stats
    bind 127.0.0.1:${statsPort}
    stats enable
    stats uri /
backend default-check
    option httpchk
    server replica-1 127.0.0.1:${port} check inter 50ms
`
    const complete = (example: string) => example.replace('check inter 2s', 'check inter 50ms')
    await startReverseProxy(t, { ...haproxy, complete }, port, more)
    /** State, result and status code of the last check of each backend. */
    const checks = async () => {
      const { text } = await request(`http://127.0.0.1:${statsPort}/;csv`)
      const [names = [], ...rows] = text
        .replace(/^# /, '')
        .split('\n')
        .map((line) => line.split(','))
      const column = (row: string[], name: string) => row[names.indexOf(name)]
      const servers = rows.filter((row) => column(row, 'svname') === 'replica-1')
      return Object.fromEntries(
        servers.map((row) => [
          column(row, 'pxname'),
          ['status', 'check_status', 'check_code'].map((name) => column(row, name)).join(' '),
        ]),
      )
    }
    const until204And = (expected: string) =>
      until(async () => {
        const { 'cdf-job-quality': example, 'default-check': byDefault } = await checks()
        return example === expected && byDefault === 'UP L7OK 204'
      })
    await until204And('UP L7OK 200')
    t.match(
      logs.find(({ method }) => method === 'OPTIONS'),
      { msg: 'request', route: '/', status: 204 },
    )

    app.lifeCycle.drain()
    await until204And('DOWN L7STS 503')
    t.pass('sends no more requests during the shutdown')
  },
)
