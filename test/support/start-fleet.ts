import type { Test } from 'tap'
import { startSimulator } from '../../simulator/upstream/start-simulator.ts'
import { startRedisWithUser } from './redis-user.ts'
import type { Service } from './start-service.ts'
import { startService } from './start-service.ts'
import { until } from './wait.ts'

/** A job that no test uses. */
const UNKNOWN = '999'

/**
 * Starts replicas of the service with one simulator and one Redis, where they have the least rights. They know each other
 * when this returns.
 * @param redis default: a server of its own
 */
export async function startFleet(
  t: Test,
  {
    replicas = 2,
    environment = {} as Record<string, string>,
    redis: given = undefined as Awaited<ReturnType<typeof startRedisWithUser>> | undefined,
  } = {},
) {
  const redis = given ?? (await startRedisWithUser(t))
  const simulator = await startSimulator()
  t.teardown(() => simulator.close())
  const start = async () => {
    const service = await startService(t, {
      simulator,
      // A busy machine can be slow. Tests of failures set the limit themselves.
      environment: { REDIS_URL: redis.url, REDIS_TIMEOUT_MS: '1000', ...environment },
    })
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
