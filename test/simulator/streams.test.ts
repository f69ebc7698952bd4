import t from 'tap'
import { seededRandom } from '../../simulator/seeded-random.ts'
import { runBatch } from '../../simulator/streams/batch.ts'
import { startBrowserReader } from '../../simulator/streams/browser-reader.ts'
import { startPythonReader } from '../../simulator/streams/python-reader.ts'
import { NODE_READERS } from '../../simulator/streams/readers.ts'
import { startStage } from '../../simulator/streams/stage.ts'
import { skipWithoutBrowser } from '../support/browser.ts'
import { skipWithout } from '../support/skip-without.ts'

const withoutRequests =
  (await skipWithout('python3', '-c', 'import requests')) && 'no Python with the package requests'

const readers = [
  ...NODE_READERS,
  ...(skipWithoutBrowser ? [] : [await startBrowserReader()]),
  ...(withoutRequests ? [] : [await startPythonReader()]),
]
const stage = await startStage()
t.teardown(async () => {
  await stage.close()
  for (const { close } of readers) await close?.()
})

const RUNS = 6
const runs = await runBatch(stage, readers, RUNS, seededRandom(1))

const NAMES: [string, string | false][] = [
  ...NODE_READERS.map(({ name }): [string, false] => [name, false]),
  ['EventSource of Chromium', skipWithoutBrowser],
  ['requests of Python', withoutRequests],
]
for (const [name, skip] of NAMES) {
  const title = `${name}: streams that are cut at random lose no state, and cause no loop`
  t.test(title, { skip }, async (t) => {
    const ofReader = runs.filter(({ reader }) => reader === name)
    t.equal(ofReader.length, RUNS)
    for (const run of ofReader) t.strictSame(run.violations, [], JSON.stringify(run))
  })
}

t.test('the runs cut streams', async (t) => {
  t.ok(runs.filter(({ cuts }) => cuts > 0).length >= RUNS)
})
