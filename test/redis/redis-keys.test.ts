import t from 'tap'
import { type JobId, parseJobId } from '../../src/cdf/job-id.ts'
import { VARIABLES } from '../../src/config/environment.ts'
import { type RedisScope, redisKeys } from '../../src/redis/redis-keys.ts'
import { JOB_ID } from '../support/fixtures.ts'

const ID = parseJobId(JOB_ID) as JobId
const SEVEN = parseJobId('7') as JobId
const SCOPE: RedisScope = {
  prefix: 'cdf-job-quality:',
  cdf: { baseUrl: 'https://x.cognitedata.com', project: 'my-project' },
  identityProvider: { clientId: 'client' },
}
const keys = redisKeys(SCOPE)
/** What a cluster computes the slot from: the text between the first braces. */
const hashTag = (key: string) => /\{([^}]+)\}/.exec(key)?.[1]

t.test('names a key after the prefix, the project, the identity, and the job', async (t) => {
  t.match(keys.result(ID), /^cdf-job-quality:my-project:[0-9a-f]{12}:\{.+\}:v1:result$/)
  t.ok(keys.lease(ID).includes(JOB_ID))
})

t.test('keeps all keys of a job in one hash slot, and so all keys of the fleet', async (t) => {
  t.equal(hashTag(keys.result(SEVEN)), '7')
  t.equal(hashTag(keys.lease(SEVEN)), '7')
  const { announcements, replicas, coolDown, openBreaker, limits, probe } = keys
  const names = [announcements, replicas, coolDown, openBreaker, limits, probe]
  t.equal(new Set(names.map(hashTag)).size, 1)
  t.equal(new Set(names).size, names.length)
})

t.test('has no braces before the hash tag, whatever the configuration', async (t) => {
  const { REDIS_KEY_PREFIX, CDF_PROJECT } = VARIABLES
  for (const value of ['a{b}', 'a{', '{}']) {
    t.equal(REDIS_KEY_PREFIX.parse(value), undefined, value)
    t.equal(CDF_PROJECT.parse(value), undefined, value)
  }
})

t.test('separates prefixes, projects, clusters, and identities', async (t) => {
  const others: Partial<RedisScope>[] = [
    { prefix: 'other:' },
    { cdf: { ...SCOPE.cdf, project: 'other' } },
    { cdf: { ...SCOPE.cdf, baseUrl: 'https://y.cognitedata.com' } },
    { identityProvider: { clientId: 'other' } },
  ]
  const results = [{}, ...others].map((other) => redisKeys({ ...SCOPE, ...other }).result(SEVEN))
  t.equal(new Set(results).size, results.length)
})
