import t from 'tap'
import { skipWithoutRedis } from '../support/redis-server.ts'
import { request } from '../support/request.ts'
import { startProcess } from '../support/start-process.ts'
import { until } from '../support/wait.ts'

const SCRIPT = 'simulator/demo/start.ts'
const ports = { PORT: '0', SIMULATOR_PORT: '0', METRICS_PORT: '0' }

t.test(
  'several replicas respond in turn behind one address and share results, until Ctrl-C',
  { skip: skipWithoutRedis },
  async (t) => {
    const { PATH = '' } = process.env
    const demo = startProcess(t, [SCRIPT, '--replicas', '3'], { ...ports, PATH })
    const { child, output, ended } = demo
    await until(() => output.stdout.includes('Press Ctrl-C'))
    for (const replica of [1, 2, 3])
      await until(() => output.stdout.includes(`replica ${replica}: Redis available`))
    const [, token] = output.stdout.match(/^ *TOKEN=(\S+)$/m) ?? []
    const urls = [...output.stdout.matchAll(/curl -i -H.*? (http\S+)/g)].map(([, url = '']) => url)
    /** One request after the other, as many as there are replicas. */
    const askReplicas = async (url = '') => {
      const get = () => request(url, { headers: { authorization: `Bearer ${token}` } })
      return [await get(), await get(), await get()]
    }
    // While the event loop is busy with the start, reads are rejected.
    await until(async () => (await askReplicas(urls[2])).every(({ status }) => status === 200))
    const answers = await askReplicas(urls[0])
    const valuesOf = (name: string) => answers.map((answer) => answer.headers.get(name))
    t.strictSame(valuesOf('x-replica').sort(), ['1', '2', '3'])
    t.strictSame(valuesOf('cache-status'), [
      'cdf-job-quality; fwd=miss',
      'cdf-job-quality; hit',
      'cdf-job-quality; hit',
    ])
    t.equal(new Set(answers.map(({ text }) => text)).size, 1)

    child.kill('SIGINT')
    t.equal(await ended, 0)
    t.equal(output.stderr, '')
    t.notMatch(output.stdout, /WARN|ERROR/, 'Redis ends after the replicas')
  },
)

t.test('the demo says that several replicas need redis-server', async (t) => {
  const args = [SCRIPT, '--replicas', '2']
  const { PATH = '' } = process.env
  const command = ['env', 'PATH=/nowhere']
  const { output, ended } = startProcess(t, args, { ...ports, PATH }, { command })
  t.equal(await ended, 1)
  t.match(output.stderr, /^Several replicas need redis-server: install it .*\n$/)
})

t.test('the demo reports wrong arguments', async (t) => {
  for (const [args, message] of [
    [['--replicas', '0'], '--replicas must be from 1 to 9.\n'],
    [['--replicas', 'many'], '--replicas must be from 1 to 9.\n'],
    [['--replica', '3'], "Unknown option '--replica'"],
  ] as const) {
    const { output, ended } = startProcess(t, [SCRIPT, ...args], ports)
    t.equal(await ended, 1)
    t.ok(output.stderr.startsWith(message), output.stderr)
    t.equal(output.stdout, '')
  }
})
