// The types of the parts of undici that are loaded by themselves; it has them for the whole only.
declare module 'undici/lib/dispatcher/agent.js' {
  import { Agent } from 'undici'
  export = Agent
}
declare module 'undici/lib/dispatcher/pool.js' {
  import { Pool } from 'undici'
  export = Pool
}
declare module 'undici/lib/core/errors.js' {
  import { errors } from 'undici'
  export = errors
}
