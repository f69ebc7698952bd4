import t from 'tap'
import { ProblemError } from '../../src/problems/problem.ts'
import { PROBLEM_TYPES } from '../../src/problems/problem-types.ts'

t.test('builds a problem from its type and the details of the upstream response', async (t) => {
  for (const code of Object.keys(PROBLEM_TYPES) as (keyof typeof PROBLEM_TYPES)[]) {
    t.match(new ProblemError(code).toProblem('r'), {
      type: `/problems/${code}`,
      code,
      requestId: 'r',
      status: PROBLEM_TYPES[code].status,
    })
  }
  const upstream = { status: 429, requestId: null }
  const problem = new ProblemError('upstream-throttled', {
    upstream,
    retryAfterSeconds: 7,
  }).toProblem('r')
  t.strictSame([problem.upstream, problem.retryAfterSeconds], [upstream, 7])
  t.notOk('upstream' in new ProblemError('not-found').toProblem('r'))
})
