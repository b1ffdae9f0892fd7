import { addAbortListener, getEventListeners, once } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import { guardedAbort, onAbort, unlessAborted } from '../lib/abort.js'
import { startApp } from './fixtures/app.js'
import { suspectedLeaks } from './fixtures/leaks.js'
import { ask } from './fixtures/questions.js'

function start () {
  const thrown: unknown[] = []
  const heard: string[] = []
  return { controller: guardedAbort((error) => { thrown.push(error) }), thrown, heard }
}

t.test('an error thrown by an abort listener is reported, and the other listeners are called', async (t) => {
  const { controller, thrown, heard } = start()
  const { signal } = controller
  signal.addEventListener('abort', () => { throw new Error('function') })
  signal.addEventListener('abort', { handleEvent: () => { throw new Error('object') } })
  signal.addEventListener('abort', async () => { throw new Error('rejected') })
  signal.addEventListener('abort', () => ({ then: () => { throw new Error('thenable') } }))
  signal.addEventListener('abort', () => { heard.push('last') }, { once: true })
  signal.onabort = () => { throw new Error('onabort') }
  controller.abort('why')
  t.equal(signal.reason, 'why')
  await new Promise((resolve) => setImmediate(resolve))
  t.same(thrown.map((error) => (error as Error).message).sort(), ['function', 'object', 'onabort', 'rejected', 'thenable'])
  t.same(heard, ['last'])
})

t.test('a guarded signal behaves like any other signal', async (t) => {
  const { controller, thrown, heard } = start()
  const { signal } = controller
  t.ok(signal instanceof AbortSignal)
  const listener = function (this: unknown, event: Event) { heard.push(`${event.type} ${this === signal}`) }
  signal.addEventListener('abort', listener)
  signal.addEventListener('abort', listener)
  const removed = { handleEvent: () => { heard.push('removed') } }
  signal.addEventListener('abort', removed)
  signal.removeEventListener('abort', removed)
  signal.addEventListener('abort', null as never)
  t.equal(getEventListeners(signal, 'abort').length, 1)
  t.equal(signal.onabort, null)
  signal.onabort = listener
  t.equal(signal.onabort, listener)
  signal.onabort = null
  const disposed = addAbortListener(signal, () => { heard.push('disposed') })
  disposed[Symbol.dispose]()
  addAbortListener(signal, () => { heard.push('of node:events') })
  const any = AbortSignal.any([signal, new AbortController().signal])
  const waiting = once(new EventTarget(), 'never', { signal })
  controller.abort()
  await t.rejects(waiting, { name: 'AbortError' })
  t.equal(any.aborted, true)
  t.throws(() => signal.throwIfAborted(), { name: 'AbortError' })
  t.same(heard, ['abort true', 'of node:events'])
  t.same(thrown, [])
})

t.test('a listener shared by two signals reports to the signal that fired', async (t) => {
  const [a, b] = [start(), start()]
  const listener = () => { throw new Error('shared') }
  for (const { controller } of [a, b]) controller.signal.addEventListener('abort', listener)
  a.controller.abort()
  t.same([a.thrown.length, b.thrown.length], [1, 0])
  b.controller.abort()
  t.same([a.thrown.length, b.thrown.length], [1, 1])
})

t.test('callbacks on one signal share a listener, and each can be removed', async (t) => {
  const controller = new AbortController()
  const heard: number[] = []
  const undos = Array.from({ length: 20 }, (_, n) => onAbort(controller.signal, () => { heard.push(n) }))
  t.equal(getEventListeners(controller.signal, 'abort').length, 1)
  for (const undo of [...undos.slice(2), undos[2]!]) undo()
  controller.abort()
  t.strictSame(heard, [0, 1])
})

t.test('many waits on one signal, or for the end of one socket, cause no leak warning', async (t) => {
  const heard = suspectedLeaks(t)
  const listenOften = (signal: AbortSignal) => { for (let n = 0; n < 20; n++) signal.addEventListener('abort', () => {}) }
  const server = await startApp(t, { closeTimeoutMs: 50 }, {
    after: ({ ws }) => ws.handle('listen.often', { schema: Type.Object({}), rest: true }, (_message, { signal }) => listenOften(signal))
  })
  const { ws } = server.app
  const client = await server.connect('alice')
  t.match(await client.request({ type: 'listen.often' }), { type: 'reply' })
  t.match(await server.rest('POST', '/ws/call/listen.often', { body: {} }), { status: 200 })
  listenOften((await ws.tasks.start({ userId: 'alice' })).signal)
  const [asking, waiting] = [new AbortController(), new AbortController()]
  const times = <T>(act: () => Promise<T>) => Promise.all(Array.from({ length: 20 }, act))
  const asked = times(() => ask(server, 'alice', { signal: asking.signal }))
  const { callback_id: callbackId } = await client.next('task_step_result')
  const waited = times(() => ws.confirmations.wait(callbackId, { signal: waiting.signal }).catch(({ name }) => name))
  waiting.abort()
  t.strictSame(new Set(await waited), new Set(['AbortError']))
  asking.abort()
  t.strictSame(new Set((await asked).map(({ outcome }) => outcome)), new Set(['aborted']))
  client.socket.pause()
  t.strictSame((await times(() => ws.revoke({ userId: 'alice' })))[19], { closed: 0, complete: true, missing: [] })
  await server.app.close()
  await new Promise((resolve) => setImmediate(resolve))
  t.strictSame(heard, [])
})

t.test('who stops waiting for a promise leaves nothing with it', async (t) => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  let end = (_value: string) => {}
  const promise = new Promise<string>((resolve) => { end = resolve })
  const leave = async () => {
    const controller = new AbortController()
    const left = unlessAborted(promise, controller.signal)
    const reason = new Error('left')
    controller.abort(reason)
    await t.rejects(left, { message: 'left' })
    return new WeakRef(reason)
  }
  const reasons = [await leave(), await leave()]
  const { signal } = new AbortController()
  const waits = [unlessAborted(promise, signal), unlessAborted(promise, signal)]
  // A weak reference is strong until the end of its turn.
  await new Promise((resolve) => setImmediate(resolve))
  collect()
  t.strictSame(reasons.map((reason) => reason.deref()), [undefined, undefined])
  end('ended')
  t.strictSame(await Promise.all(waits), ['ended', 'ended'])
  t.equal(await unlessAborted(promise, AbortSignal.abort()), 'ended', 'although it is too late')
  t.equal(await unlessAborted(promise, signal), 'ended')
  await t.rejects(unlessAborted(Promise.reject(new Error('failed')), signal), { message: 'failed' })
  t.equal(getEventListeners(signal, 'abort').length, 0)
})
