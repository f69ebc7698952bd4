import t from 'tap'
import { bufferedOutput } from '../../plugins/log-output.ts'
import { FakeClock } from '../helper.ts'

const start = () => {
  const clock = new FakeClock()
  const written: string[] = []
  const output = bufferedOutput({ write: (lines) => written.push(lines) }, clock.after)
  return { clock, written, output }
}

t.test('lines of requests wait for each other, a tenth of a second at most', async (t) => {
  const { clock, written, output } = start()
  t.teardown(() => output.close())
  output.requests.write('1\n')
  clock.advance(60)
  output.requests.write('2\n')
  t.strictSame(written, [])
  clock.advance(40)
  t.strictSame(written, ['1\n2\n'])
  output.requests.write('3\n')
  clock.advance(100)
  t.strictSame(written, ['1\n2\n', '3\n'])
})

t.test('many lines wait for nothing', async (t) => {
  const { written, output } = start()
  t.teardown(() => output.close())
  const line = `${'x'.repeat(1023)}\n`
  for (let count = 0; count < 64; count += 1) output.requests.write(line)
  t.strictSame(written, [line.repeat(64)])
})

t.test('other lines are written at once, in their order', async (t) => {
  const { clock, written, output } = start()
  t.teardown(() => output.close())
  output.requests.write('1\n')
  output.others.write('2\n')
  output.requests.write('3\n')
  clock.advance(100)
  t.equal(written.join(''), '1\n2\n3\n')
})

t.test('loses nothing at the end, whether by close or by exit', async (t) => {
  const { written, output } = start()
  const listeners = process.listeners('exit')
  output.requests.write('1\n')
  listeners.at(-1)?.(0)
  t.strictSame(written, ['1\n'])
  output.requests.write('2\n')
  output.close()
  output.requests.write('3\n')
  t.strictSame(written, ['1\n', '2\n', '3\n'])
  t.equal(process.listeners('exit').includes(listeners.at(-1) as never), false)
})
