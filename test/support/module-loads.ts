import { registerHooks } from 'node:module'

/** Preloaded with `--import`: writes a line to the standard error at the load of each module. */
registerHooks({
  load(url, context, next) {
    process.stderr.write('loading\n')
    return next(url, context)
  },
})
