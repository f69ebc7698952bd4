import { readCredential } from '../credentials/credential-file.ts'
import { REDIS_PASSWORD_FILE } from '../credentials/secret-file.ts'
import { parseRedisUrl } from '../redis/redis-url.ts'
import type { Environment } from './environment.ts'

/** The configuration for Redis; `undefined` without `REDIS_URL`. Only a function returns the password. */
export function redisConfig(environment: Environment) {
  const url = environment.REDIS_URL && parseRedisUrl(environment.REDIS_URL)
  if (!url) return undefined
  const { password, ...server } = url
  const passwordFile = environment.REDIS_PASSWORD_FILE
  return {
    server: {
      ...server,
      mode: environment.REDIS_MODE,
      sentinelName: environment.REDIS_SENTINEL_NAME,
      readPassword: async () =>
        passwordFile ? readCredential(REDIS_PASSWORD_FILE, passwordFile) : password,
    },
    keyPrefix: environment.REDIS_KEY_PREFIX,
    timeoutMs: environment.REDIS_TIMEOUT_MS,
  }
}
