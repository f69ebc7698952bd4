import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import t from 'tap'
import { OpenResponses } from '../../src/http/open-responses.ts'

function setUp() {
  const aborted: string[] = []
  const openResponses = new OpenResponses<string>((response) => aborted.push(response))
  const socket = new EventEmitter() as Socket
  return { aborted, openResponses, socket }
}

t.test('returns the oldest open response of a connection', async (t) => {
  const { openResponses, socket } = setUp()
  t.equal(openResponses.oldest(socket), undefined)
  t.equal(openResponses.add(socket, 'a'), 1)
  t.equal(openResponses.add(socket, 'b'), 2)
  t.equal(openResponses.oldest(socket), 'a')
  openResponses.remove(socket, 'a')
  t.equal(openResponses.oldest(socket), 'b')
  openResponses.remove(socket, 'unknown')
  openResponses.remove(socket, 'b')
  t.equal(openResponses.oldest(socket), undefined)
})

t.test('counts each connection separately', async (t) => {
  const { openResponses, socket } = setUp()
  t.equal(openResponses.add(socket, 'a'), 1)
  t.equal(openResponses.add(new EventEmitter() as Socket, 'b'), 1)
})

t.test('reports the responses that are open when their connection closes', async (t) => {
  const { openResponses, socket, aborted } = setUp()
  for (const response of ['a', 'b', 'c']) openResponses.add(socket, response)
  openResponses.remove(socket, 'a')
  t.strictSame(aborted, [])
  socket.emit('close')
  t.strictSame(aborted, ['b', 'c'])
  t.equal(openResponses.oldest(socket), undefined)
})

t.test('uses one listener per connection', async (t) => {
  const { openResponses, socket } = setUp()
  for (let number = 0; number < 100; number += 1) openResponses.add(socket, `${number}`)
  t.equal(socket.listenerCount('close'), 1)
})
