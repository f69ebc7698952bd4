import { registerHooks } from 'node:module'

/** Preloaded (`--import`), it says on standard error at the end which packages the process has loaded. */
const packages = new Set<string>()
registerHooks({
  load(url, context, next) {
    const [, name] = url.match(/.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/) ?? []
    if (name !== undefined) packages.add(name)
    return next(url, context)
  },
})
process.once('exit', () => process.stderr.write(`loaded: ${JSON.stringify([...packages])}\n`))
