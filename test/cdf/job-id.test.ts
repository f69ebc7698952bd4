import t from 'tap'
import { parseJobId } from '../../src/cdf/job-id.ts'

const UUID = '6f1c2a34-8b0e-4d57-9f2c-1a7be0c94d21'

const valid: [name: string, text: string, canonical: string][] = [
  ['a UUID', UUID, UUID],
  ['a UUID in upper case', UUID.toUpperCase(), UUID],
  ['the nil UUID', '00000000-0000-0000-0000-000000000000', '00000000-0000-0000-0000-000000000000'],
  ['zero', '0', '0'],
  ['an integer', '123', '123'],
  ['an integer that a JS number cannot represent', '9007199254740993', '9007199254740993'],
  ['the greatest int64', '9223372036854775807', '9223372036854775807'],
]
for (const [name, text, canonical] of valid) {
  t.test(`accepts ${name}`, async (t) => t.equal(parseJobId(text), canonical))
}

const invalid: [name: string, text: string][] = [
  ['an empty string', ''],
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
  ['the greatest int64 plus one', '9223372036854775808'],
  ['a 19-digit integer greater than int64', '9999999999999999999'],
  ['twenty digits', '10000000000000000000'],
  ['a UUID without hyphens', UUID.replaceAll('-', '')],
  ['a UUID in braces', `{${UUID}}`],
  ['a UUID with an extra character', `${UUID}a`],
  ['a UUID with a letter that is not hexadecimal', UUID.replace('f', 'g')],
  ['a UUID with a trailing newline', `${UUID}\n`],
  ['a path', `../${UUID}`],
]
for (const [name, text] of invalid) {
  t.test(`rejects ${name}`, async (t) => t.equal(parseJobId(text), undefined))
}
