import { spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { lasting } from '../../simulator/upstream/simulated-job.ts'
import { openEvents } from '../support/event-stream.ts'
import { JOB_ID } from '../support/fixtures.ts'
import { freePort } from '../support/local-server.ts'
import { request } from '../support/request.ts'
import { skipWithout } from '../support/skip-without.ts'
import { startService } from '../support/start-service.ts'
import { until } from '../support/wait.ts'

const RUNBOOK = new URL('../../docs/operations.md', import.meta.url)

t.test(
  'the nginx configuration of the runbook forwards each event of a stream at once',
  { skip: await skipWithout('nginx', '-v') },
  async (t) => {
    const [, documented = ''] =
      /```nginx\n([\s\S]*?)```/.exec(await readFile(RUNBOOK, 'utf8')) ?? []
    const { port, simulator } = await startService(t, { environment: { TRUST_PROXY: '1' } })
    const frontPort = await freePort()
    const servers = documented
      .replace('3000', String(port))
      .replace('8080', `127.0.0.1:${frontPort}`)
    t.not(servers, documented)
    const folder = t.testdir({ 'nginx.conf': '', temporary: {} })
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((name) => `${name}_temp_path ${folder}/temporary/${name};`)
      .join('\n')
    await writeFile(
      join(folder, 'nginx.conf'),
      `daemon off; master_process off; pid ${folder}/pid; error_log stderr;\nevents {}\nhttp { access_log off;\n${temporary}\n${servers}\n}\n`,
    )
    const nginx = spawn('nginx', ['-p', folder, '-c', 'nginx.conf', '-e', 'stderr'])
    t.teardown(() => nginx.kill('SIGKILL'))
    const front = `http://127.0.0.1:${frontPort}`
    const isUp = () => request(`${front}/health/live`).then(Boolean, () => false)
    await until(isUp)

    simulator.cdf.addJob({
      jobId: JOB_ID,
      advancedJoinExternalId: 'valve-to-site',
      steps: [
        { afterMs: 0, status: 'Running' },
        { afterMs: 500, status: 'Failed' },
      ],
    })
    const stream = await openEvents(t, `${front}/jobs/${JOB_ID}/quality/events`)
    await until(() => stream.events.length === 1)
    t.notOk(stream.hasEnded(), 'the event arrives before the stream ends')
    await until(stream.hasEnded)
    t.equal(stream.events.length, 2)

    simulator.cdf.addJob(lasting('1', 'Running'))
    const authorization = `Bearer ${'x'.repeat(16 * 1024)}`
    t.equal((await request(`${front}/jobs/1/quality`, { headers: { authorization } })).status, 200)

    const waited = await request(`${front}/jobs/1/quality`, { headers: { prefer: 'wait=1' } })
    t.equal(waited.status, 200)
  },
)
