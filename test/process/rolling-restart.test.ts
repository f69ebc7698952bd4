import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import t from 'tap'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import { type Simulator, startSimulator } from '../../simulator/upstream/start-simulator.ts'
import { jobIdOf } from '../support/fixtures.ts'
import { request } from '../support/request.ts'
import { startProcess } from '../support/start-process.ts'
import { until } from '../support/wait.ts'

/** Starts the service in a child process. */
async function startInstance(t: Test, simulator: Simulator) {
  const service = startProcess(t, ['src/server.ts'], {
    ...simulator.environment,
    AUTH_MODE: 'none',
    PORT: '0',
    RATE_LIMIT_PER_MINUTE: '0',
    SHUTDOWN_DELAY_MS: '500',
  })
  await until(() => service.url() !== '')
  const url = service.url()
  const isReady = () =>
    request(`${url}/health/ready`).then(
      ({ status }) => status === 200,
      () => false,
    )
  return {
    url,
    isReady,
    stop: () => service.child.kill('SIGTERM'),
    ended: service.ended,
  }
}

t.test('no request fails during a rolling restart under load', async (t) => {
  const simulator = await startSimulator()
  t.teardown(() => simulator.close())
  for (let number = 0; number < 50; number += 1) {
    simulator.cdf.addJob(
      lasting(jobIdOf(number), number % 2 ? 'Running' : 'Completed', number % 2 ? {} : SCORES),
    )
  }
  const instances = [await startInstance(t, simulator)]

  // Like a load balancer: polls the readiness of each instance and selects a ready one.
  let target = instances[0]
  let isDone = false
  const balancer = async () => {
    while (!isDone) {
      for (const instance of instances) if (await instance.isReady()) target = instance
      await sleep(20)
    }
  }
  let responses = 0
  const failures: unknown[] = []
  const caller = async (number: number) => {
    while (!isDone) {
      const response = await request(`${target?.url}/jobs/${jobIdOf(number)}/quality`).catch(
        (error: unknown) => error,
      )
      if (response instanceof Error || (response as { status: number }).status !== 200)
        failures.push(response)
      responses += 1
      await sleep(15)
    }
  }
  const load = Promise.all([
    balancer(),
    ...Array.from({ length: 10 }, (_, number) => caller(number)),
  ])

  for (let restart = 0; restart < 2; restart += 1) {
    const old = instances.at(-1)
    const next = await startInstance(t, simulator)
    await until(next.isReady)
    instances.push(next)
    old?.stop()
    t.equal(await old?.ended, 0)
    instances.splice(instances.indexOf(old as typeof next), 1)
  }
  isDone = true
  await load
  t.ok(responses > 100, `${responses} responses`)
  t.strictSame(failures, [])
  instances[0]?.stop()
  t.equal(await instances[0]?.ended, 0)
})
