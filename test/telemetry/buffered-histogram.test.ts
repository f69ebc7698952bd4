import { Histogram, Registry } from 'prom-client'
import t from 'tap'
import { BufferedHistogram } from '../../src/telemetry/buffered-histogram.ts'

const CONFIGURATION = {
  name: 'duration_seconds',
  help: 'Duration.',
  labelNames: ['route', 'status'],
  buckets: [0.001, 0.1, 1],
}

function setUp() {
  const registry = new Registry()
  const histogram = new BufferedHistogram({ ...CONFIGURATION, registers: [registry] })
  const plainRegistry = new Registry()
  const plain = new Histogram({ ...CONFIGURATION, registers: [plainRegistry] })
  const observe = (labels: Record<string, string | number>, value: number) => {
    histogram.observe(labels, value)
    plain.observe(labels, value)
  }
  return {
    observe,
    text: () => registry.metrics(),
    plainText: () => plainRegistry.metrics(),
  }
}

for (const count of [0, 1, 255, 256, 257, 1_000]) {
  t.test(`exports ${count} observations like a histogram of prom-client`, async (t) => {
    const { observe, text, plainText } = setUp()
    for (let number = 0; number < count; number += 1) {
      observe({ route: `/route-${number % 3}`, status: 200 + (number % 2) }, number / 500)
    }
    t.equal(await text(), await plainText())
  })
}

t.test('exports the latest observations with each scrape', async (t) => {
  const { observe, text, plainText } = setUp()
  for (let scrapes = 0; scrapes < 3; scrapes += 1) {
    observe({ route: '/a', status: 200 }, 0.05)
    t.equal(await text(), await plainText())
    t.match(await text(), `duration_seconds_count{route="/a",status="200"} ${scrapes + 1}\n`)
  }
})
