import { startSimulator } from '../../simulator/upstream/start-simulator.ts'
import type { Owner } from './redis-server.ts'
import { startRedisWithUser } from './redis-user.ts'
import { type Service, startInstance } from './start-service.ts'
import { until } from './wait.ts'

/** A job that no test uses. */
const UNKNOWN = '999'

/**
 * Starts replicas of the service with one simulator and one Redis, where they have the least rights. They know each other
 * when this returns.
 * @param environment with `REDIS_URL`, another Redis
 */
export async function startFleet(
  t: Owner,
  { replicas = 2, environment = {} as Record<string, string> } = {},
) {
  const redis = await startRedisWithUser(t)
  const simulator = await startSimulator()
  t.teardown(() => simulator.close())
  const start = async () => {
    // A busy machine can be slow. Tests of failures set the limit themselves.
    const shared = { REDIS_URL: redis.url, REDIS_TIMEOUT_MS: '1000' }
    const service = await startInstance(t, simulator, { ...shared, ...environment })
    // The start itself overloads the event loop of a busy machine.
    await until(async () => !(await service.quality(UNKNOWN)).text.includes('overloaded'))
    return service
  }
  const services: Service[] = []
  for (let index = 0; index < replicas; index += 1) services.push(await start())
  await until(() => services.every(({ app }) => app.fleet.limits.replicas === replicas))
  simulator.cdf.requests.length = 0
  return { redis, simulator, services, start }
}
