import { readFile } from 'node:fs/promises'
import t from 'tap'
import { GENERATORS } from '../../tools/compatibility/generators.ts'
import { SENDERS } from '../../tools/compatibility/senders.ts'
import { VALIDATORS } from '../../tools/compatibility/validators.ts'
import generators from '../clients/generators/package.json' with { type: 'json' }

const read = (path: string) => readFile(new URL(`../../${path}`, import.meta.url), 'utf8')

t.test('the table of tools has each tool with its pinned version, and each works', async (t) => {
  const page = await read('docs/clients.md')
  const { dependencies } = JSON.parse(await read('tools/compatibility/package.json'))
  const rows = [...page.matchAll(/^\| `(\S+)` \| ([\d.]+) \| (\S+)/gm)]
  t.strictSame(
    rows.map(([, name, version, outcome]) => `${name} ${version} ${outcome}`),
    Object.keys({ ...VALIDATORS, ...GENERATORS, ...SENDERS }).map(
      (name) => `${name} ${dependencies[name]} works:`,
    ),
  )
  t.match(dependencies, generators.dependencies, 'the same generators as in the tests')
})
