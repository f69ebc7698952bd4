import type { Test } from 'tap'
import t from 'tap'
import { lasting, SCORES } from '../simulator/simulated-job.ts'
import type { Simulator } from '../simulator/start-simulator.ts'
import { startSimulator } from '../simulator/start-simulator.ts'
import { jobIdOf, request, until } from './helper.ts'
import { startProcess } from './process.ts'

/** One process of the service. */
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
    end: () => service.child.kill('SIGTERM'),
    ended: service.ended,
  }
}

t.test('no request fails while one process takes over from another under load', async (t) => {
  const simulator = await startSimulator()
  t.teardown(() => simulator.close())
  for (let number = 0; number < 50; number += 1) {
    simulator.cdf.addJob(
      lasting(jobIdOf(number), number % 2 ? 'Running' : 'Completed', number % 2 ? {} : SCORES),
    )
  }
  const instances = [await startInstance(t, simulator)]

  // What a load balancer does: it asks each instance whether it is ready, and sends requests to one that is.
  let target = instances[0]
  let isOver = false
  const balancer = async () => {
    while (!isOver) {
      for (const instance of instances) if (await instance.isReady()) target = instance
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  let answers = 0
  const failures: unknown[] = []
  const caller = async (number: number) => {
    while (!isOver) {
      const answer = await request(`${target?.url}/jobs/${jobIdOf(number)}/quality`).catch(
        (error: unknown) => error,
      )
      if (answer instanceof Error || (answer as { status: number }).status !== 200)
        failures.push(answer)
      answers += 1
    }
  }
  const load = Promise.all([
    balancer(),
    ...Array.from({ length: 20 }, (_, number) => caller(number)),
  ])

  for (let restart = 0; restart < 2; restart += 1) {
    const old = instances.at(-1)
    const next = await startInstance(t, simulator)
    while (!(await next.isReady())) await new Promise((resolve) => setTimeout(resolve, 10))
    instances.push(next)
    old?.end()
    t.equal(await old?.ended, 0)
    instances.splice(instances.indexOf(old as typeof next), 1)
  }
  isOver = true
  await load
  t.ok(answers > 100, `${answers} answers`)
  t.strictSame(failures, [])
  instances[0]?.end()
  t.equal(await instances[0]?.ended, 0)
})
