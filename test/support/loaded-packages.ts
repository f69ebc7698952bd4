import { registerHooks } from 'node:module'

/** Preloaded with `--import`: writes the names of all loaded packages to the standard error at exit. */
const packages = new Set<string>()
registerHooks({
  load(url, context, next) {
    const [, name] = url.match(/.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/) ?? []
    if (name !== undefined) packages.add(name)
    return next(url, context)
  },
})
process.once('exit', () => process.stderr.write(`loaded: ${JSON.stringify([...packages])}\n`))
