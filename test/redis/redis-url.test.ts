import t from 'tap'
import { parseRedisUrl } from '../../src/redis/redis-url.ts'

const NODE = { host: 'redis', port: 6379 }
const URL = { nodes: [NODE], tls: false, username: undefined, password: undefined, database: 0 }

t.test('parses the URLs of Redis', async (t) => {
  for (const [text, expected] of [
    ['redis://redis', URL],
    ['rediss://redis:6380', { ...URL, nodes: [{ host: 'redis', port: 6380 }], tls: true }],
    ['redis://[::1]:7000/2', { ...URL, nodes: [{ host: '::1', port: 7000 }], database: 2 }],
    ['redis://redis/', URL],
    ['redis://me@redis', { ...URL, username: 'me' }],
    ['redis://:p%40ss%2F@redis', { ...URL, password: 'p@ss/' }],
    ['redis://me:a:b@redis/15', { ...URL, username: 'me', password: 'a:b', database: 15 }],
    ['redis://redis,b:1', { ...URL, nodes: [NODE, { host: 'b', port: 1 }] }],
    [
      'rediss://me:x@redis,rediss://b,c',
      {
        ...URL,
        nodes: [NODE, { host: 'b', port: 6379 }, { host: 'c', port: 6379 }],
        tls: true,
        username: 'me',
        password: 'x',
      },
    ],
  ] as const)
    t.strictSame(parseRedisUrl(text), expected, text)
})

t.test('rejects everything else', async (t) => {
  for (const text of [
    '',
    'redis',
    'redis:6379',
    'http://redis',
    'redis://',
    'redis://:6379',
    'redis://redis:0',
    'redis://redis:65536',
    'redis://redis:6379:1',
    'redis://redis/x',
    'redis://redis/1/2',
    'redis://redis?db=1',
    'redis://redis#1',
    'redis://p@ss@redis',
    'redis://p%zz@redis',
    'redis://a,',
    'redis://a,,b',
    // Would be sent without TLS.
    'redis://a,rediss://b',
    'redis://a,me:x@b',
    'unix:///var/run/redis.sock',
  ])
    t.equal(parseRedisUrl(text), undefined, text)
})
