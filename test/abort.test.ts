import { addAbortListener, getEventListeners, once } from 'node:events'
import t from 'tap'
import { guardedAbort } from '../lib/abort.js'

function start () {
  const thrown: unknown[] = []
  const heard: string[] = []
  return { controller: guardedAbort((error) => { thrown.push(error) }), thrown, heard }
}

t.test('what a listener throws is reported, and the others are called', async (t) => {
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

t.test('it is a signal like any other', async (t) => {
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

t.test('two signals share a listener, and each reports its own', async (t) => {
  const [a, b] = [start(), start()]
  const listener = () => { throw new Error('shared') }
  for (const { controller } of [a, b]) controller.signal.addEventListener('abort', listener)
  a.controller.abort()
  t.same([a.thrown.length, b.thrown.length], [1, 0])
  b.controller.abort()
  t.same([a.thrown.length, b.thrown.length], [1, 1])
})
