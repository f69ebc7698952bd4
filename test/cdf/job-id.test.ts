import t from 'tap'
import { parseJobId } from '../../src/cdf/job-id.ts'

const UUID = '6f1c2a34-8b0e-4d57-9f2c-1a7be0c94d21'

const good: [name: string, text: string, canonical: string][] = [
  ['a UUID', UUID, UUID],
  ['a UUID in upper case', UUID.toUpperCase(), UUID],
  [
    'a UUID of no known version',
    '00000000-0000-0000-0000-000000000000',
    '00000000-0000-0000-0000-000000000000',
  ],
  ['zero', '0', '0'],
  ['an integer', '123', '123'],
  ['an integer that no JS number can hold', '9007199254740993', '9007199254740993'],
  ['the greatest int64', '9223372036854775807', '9223372036854775807'],
]
for (const [name, text, canonical] of good) {
  t.test(`takes ${name}`, async (t) => t.equal(parseJobId(text), canonical))
}

const bad: [name: string, text: string][] = [
  ['nothing', ''],
  ['a word', 'latest'],
  ['a negative integer', '-1'],
  ['a signed integer', '+1'],
  ['a leading zero', '0012'],
  ['hexadecimal', '0x10'],
  ['an exponent', '1e3'],
  ['a fraction', '1.0'],
  ['a leading space', ' 12'],
  ['a trailing newline', '12\n'],
  ['digits of another script', '١٢٣'],
  ['one more than int64', '9223372036854775808'],
  ['a nineteen-digit integer over int64', '9999999999999999999'],
  ['twenty digits', '10000000000000000000'],
  ['a UUID without hyphens', UUID.replaceAll('-', '')],
  ['a UUID in braces', `{${UUID}}`],
  ['a UUID with a letter too many', `${UUID}a`],
  ['a UUID with a letter that is none', UUID.replace('f', 'g')],
  ['a UUID with a trailing newline', `${UUID}\n`],
  ['a path', `../${UUID}`],
]
for (const [name, text] of bad) {
  t.test(`refuses ${name}`, async (t) => t.equal(parseJobId(text), undefined))
}
