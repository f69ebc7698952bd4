import { readFileSync } from 'node:fs'

/**
 * Ends the process with 1 if Node is older than `engines` in `package.json` requires. This file is JavaScript because
 * older versions of Node do not run TypeScript: npm installs Node as a dependency, except with `--ignore-scripts`, and
 * then its scripts start the Node of the system.
 */
const { name, engines } = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
)
const [required] = engines.node.match(/\d+/)

if (Number.parseInt(process.versions.node, 10) < Number(required)) {
  process.stderr.write(
    `${name} needs Node ${required}, and this is ${process.version} (${process.execPath}). Run \`npm ci --ignore-scripts=false\`, which installs it as node_modules/.bin/node.\n`,
  )
  process.exit(1)
}
