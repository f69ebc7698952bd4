import t from 'tap'
import { bufferedDestination } from '../../src/telemetry/buffered-destination.ts'
import { FakeClock } from '../support/fake-clock.ts'

const start = () => {
  const clock = new FakeClock()
  const written: string[] = []
  const output = bufferedDestination({ write: (lines) => written.push(lines) }, clock.schedule)
  return { clock, written, output }
}

t.test('buffers the access log for at most 100 ms', async (t) => {
  const { clock, written, output } = start()
  t.teardown(() => output.close())
  output.accessLog.write('1\n')
  clock.advance(60)
  output.accessLog.write('2\n')
  t.strictSame(written, [])
  clock.advance(40)
  t.strictSame(written, ['1\n2\n'])
  output.accessLog.write('3\n')
  clock.advance(100)
  t.strictSame(written, ['1\n2\n', '3\n'])
})

t.test('flushes a full buffer immediately', async (t) => {
  const { written, output } = start()
  t.teardown(() => output.close())
  const line = `${'x'.repeat(1023)}\n`
  for (let count = 0; count < 64; count += 1) output.accessLog.write(line)
  t.strictSame(written, [line.repeat(64)])
})

t.test('writes other lines immediately, and keeps the order', async (t) => {
  const { clock, written, output } = start()
  t.teardown(() => output.close())
  output.accessLog.write('1\n')
  output.log.write('2\n')
  output.accessLog.write('3\n')
  clock.advance(100)
  t.equal(written.join(''), '1\n2\n3\n')
})

t.test('loses no line on close or on exit', async (t) => {
  const { written, output } = start()
  const listeners = process.listeners('exit')
  output.accessLog.write('1\n')
  listeners.at(-1)?.(0)
  t.strictSame(written, ['1\n'])
  output.accessLog.write('2\n')
  output.close()
  output.accessLog.write('3\n')
  t.strictSame(written, ['1\n', '2\n', '3\n'])
  t.equal(process.listeners('exit').includes(listeners.at(-1) as never), false)
})
