import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Check } from './workspace.ts'

/** Validators and linters, by package. A warning counts as an error. */
export const VALIDATORS: Record<string, Check> = {
  '@redocly/cli': async ({ run, contract, createFolder }) => {
    const config = join(await createFolder('redocly'), 'redocly.yaml')
    await writeFile(config, 'extends: [recommended-strict]\ntelemetry: "off"\n')
    await run('redocly', 'lint', contract, '--config', config)
    return 'no warning with `recommended-strict`'
  },
  '@stoplight/spectral-cli': async ({ run, contract, createFolder }) => {
    const ruleset = join(await createFolder('spectral'), 'spectral.yaml')
    await writeFile(ruleset, 'extends: ["spectral:oas"]\n')
    await run('spectral', 'lint', '--fail-severity=hint', '--ruleset', ruleset, contract)
    return 'no warning with `spectral:oas`'
  },
  '@apidevtools/swagger-parser': validates(`
    import parser from '@apidevtools/swagger-parser'
    await parser.validate(contract)`),
  '@readme/openapi-parser': validates(`
    import { validate } from '@readme/openapi-parser'
    const { valid, errors, warnings } = await validate(contract)
    if (!valid || warnings.length > 0) throw new Error(JSON.stringify({ errors, warnings }))`),
  '@scalar/openapi-parser': validates(`
    import { readFile } from 'node:fs/promises'
    import { validate } from '@scalar/openapi-parser'
    const { valid, errors } = await validate(await readFile(contract, 'utf8'))
    if (!valid) throw new Error(JSON.stringify(errors))`),
  '@seriousme/openapi-schema-validator': validates(`
    import { Validator } from '@seriousme/openapi-schema-validator'
    const { valid, errors } = await new Validator().validate(contract)
    if (!valid) throw new Error(JSON.stringify(errors))`),
}

function validates(code: string): Check {
  return async ({ evaluate }) => {
    await evaluate(code)
    return 'valid'
  }
}
