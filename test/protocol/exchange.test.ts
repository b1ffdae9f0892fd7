import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import type { WsManager } from '../../lib/index.js'
import { errors } from '../../lib/index.js'
import { startApp } from '../fixtures/app.js'
import type { Frame, TestClient } from '../fixtures/client.js'

const schema = Type.Object({})

/** An app with handlers. */
function serve (t: Test, handle: (ws: WsManager) => void) {
  return startApp(t, { limits: { maxErrorsPerMinute: 1_000 }, authorizeSubscribe: () => true, authorizeSend: () => true }, {
    after: (app) => handle(app.ws)
  })
}

/** Sends a frame; resolves to the only answer that it got. */
async function answerTo (t: Test, client: TestClient, frame: object): Promise<Frame> {
  const start = client.received.length
  client.send(frame)
  await client.next(({ type }) => type === 'reply' || type === 'error')
  // Twice: what a handler does behind its answer has time for a turn of its own.
  await client.settled()
  await client.settled()
  const answers = client.received.slice(start)
    .filter(({ type, id }) => (type === 'reply' || type === 'error') && !String(id).startsWith('request-'))
  t.equal(answers.length, 1, `one answer to ${JSON.stringify(frame)}`)
  return answers[0]!
}

t.test('a frame with an id gets exactly one answer, with that id', async (t) => {
  const server = await serve(t, (ws) => {
    ws.handle('do.return', { schema }, () => ({ done: true }))
    ws.handle('do.resolve', { schema }, async () => 'later')
    ws.handle('do.nothing', { schema }, () => {})
    ws.handle('do.null', { schema }, async () => null)
    ws.handle('do.throw', { schema }, () => { throw new errors.NotFoundError('nowhere') })
    ws.handle('do.reject', { schema }, async () => { throw new Error('broken') })
    ws.handle('do.early', { schema }, async (_message, context) => {
      context.reply('first')
      await null
      context.reply('second')
      return 'third'
    })
    ws.handle('do.early.throw', { schema }, (_message, context) => {
      context.reply('first')
      throw new errors.ForbiddenError('too late')
    })
    ws.handle('do.early.reject', { schema }, async (_message, context) => {
      context.reply('first')
      await null
      throw new Error('too late')
    })
  })
  const client = await server.connect('alice')
  const expected: Array<[string, object]> = [
    ['do.return', { type: 'reply', data: { done: true } }],
    ['do.resolve', { type: 'reply', data: 'later' }],
    ['do.nothing', { type: 'reply', data: null }],
    ['do.null', { type: 'reply', data: null }],
    ['do.throw', { type: 'error', code: 'not_found', message: 'nowhere' }],
    ['do.reject', { type: 'error', code: 'internal' }],
    ['do.early', { type: 'reply', data: 'first' }],
    ['do.early.throw', { type: 'reply', data: 'first' }],
    ['do.early.reject', { type: 'reply', data: 'first' }]
  ]
  for (const [type, answer] of expected) {
    for (const id of ['text', '', 7, 0, -1.5]) {
      t.match(await answerTo(t, client, { type, id }), { ...answer, id })
    }
  }
  const late = server.logs.filter(({ msg }) => msg === 'a handler failed after it had answered')
  t.equal(late.length, 10)
  t.match(late, { 0: { level: 50, type: 'do.early.throw', user_id: 'alice', client_id: client.id, err: { message: 'too late' } } })
})

t.test('a built-in frame with an id gets exactly one answer beside its own frames', async (t) => {
  const server = await serve(t, () => {})
  const client = await server.connect('alice')
  const { task } = await server.app.ws.tasks.start({ userId: 'alice' })
  const waiting = server.app.ws.notifyUser({ step: 1, message: 'Go on?' }, { userId: 'alice', taskId: 'task' })
  const { callback_id } = await client.next('task_step_result')
  const frames: Array<[object, object]> = [
    [{ type: 'ping', timestamp: 'then' }, { type: 'reply', data: { timestamp: 'then', server_time: Number } }],
    [{ type: 'connection' }, { type: 'reply', data: { client_id: client.id, user_id: 'alice' } }],
    [{ type: 'auth', token: server.token('alice') }, { type: 'reply', data: { client_id: client.id, user_id: 'alice' } }],
    [{ type: 'change_user', token: 'bad' }, { type: 'error', code: 'unauthorized' }],
    [{ type: 'auth' }, { type: 'error', code: 'unauthorized' }],
    [{ type: 'subscribe', channel_ids: ['a', 'b'] }, { type: 'reply', data: { channel_ids: ['a', 'b'], user_id: 'alice' } }],
    [{ type: 'subscribe' }, { type: 'error', code: 'invalid_message' }],
    [{ type: 'unsubscribe', channel_ids: ['a'] }, { type: 'reply', data: { channel_ids: ['a'] } }],
    [{ type: 'confirm', callback_id, proceed: true }, { type: 'reply', data: { callback_id, outcome: 'confirmed', proceed: true } }],
    [{ type: 'confirm', callback_id, proceed: true }, { type: 'error', code: 'already_settled' }],
    [{ type: 'confirm', callback_id: 'none', proceed: true }, { type: 'error', code: 'not_found' }],
    [{ type: 'cancel', task_id: task.task_id }, { type: 'reply', data: { task_id: task.task_id } }],
    [{ type: 'cancel', task_id: task.task_id, user_id: 'bob' }, { type: 'error', code: 'forbidden' }],
    [{ type: 'walker', walker: 'none' }, { type: 'error', code: 'unknown_type' }],
    [{ type: 'user', user_ids: ['bob'], data: {} }, { type: 'reply', data: null }],
    [{ type: 'channel', channel_ids: ['c'], data: {} }, { type: 'reply', data: null }],
    [{ type: 'client', client_ids: ['gone'], data: {} }, { type: 'reply', data: null }],
    [{ type: 'nothing' }, { type: 'error', code: 'unknown_type' }],
    [{ type: 'ping', extra: 1 }, { type: 'error', code: 'invalid_message' }]
  ]
  for (const [frame, answer] of frames) {
    for (const id of ['x', 3]) {
      // What ends something can only be done once.
      if (id === 3 && 'callback_id' in frame && frame.callback_id === callback_id) continue
      if (id === 3 && 'task_id' in frame && !('user_id' in frame)) continue
      t.match(await answerTo(t, client, { ...frame, id }), { ...answer, id })
    }
  }
  await waiting
})

t.test('a frame without an id gets no reply, and an error only when it fails', async (t) => {
  const handled: string[] = []
  const server = await serve(t, (ws) => {
    ws.handle('do.return', { schema }, () => {
      handled.push('returned')
      return 1
    })
    ws.handle('do.early', { schema, reply: Type.Number() }, (_message, context) => {
      handled.push('replied')
      context.reply(1)
    })
    ws.handle('do.throw', { schema }, () => { throw new errors.NotFoundError('nowhere') })
  })
  const client = await server.connect('alice')
  client.send({ type: 'do.return' })
  client.send({ type: 'do.early' })
  client.send({ type: 'subscribe', channel_ids: ['a'] })
  await client.next('subscription_confirmed')
  await client.settled()
  t.same(handled, ['returned', 'replied'])
  t.equal(client.received.filter(({ type, id }) => type === 'reply' && !String(id).startsWith('request-')).length, 0)
  t.equal(client.count('error'), 0)
  client.send({ type: 'do.throw' })
  t.notOk('id' in await client.next('error'))
})

t.test('a reply that does not match its schema fails a frame without an id, early or returned, and only the first reply is checked', async (t) => {
  const server = await serve(t, (ws) => {
    ws.handle('bad.return', { schema, reply: Type.Number() }, () => 'text' as unknown as number)
    ws.handle('bad.early', { schema, reply: Type.Number() }, (_message, context) => context.reply('text'))
    ws.handle('good.early', { schema, reply: Type.Number() }, (_message, context) => {
      context.reply(1)
      return 'text' as unknown as number
    })
    ws.handle('no.schema', { schema }, () => 1n)
  })
  const client = await server.connect('alice')
  for (const type of ['bad.return', 'bad.early']) {
    for (const frame of [{ type }, { type: 'walker', walker: type }]) {
      const error = await answerTo(t, client, frame)
      t.match(error, { type: 'error', code: 'internal' }, type)
      t.notOk('id' in error)
    }
  }
  const errors = client.count('error')
  client.send({ type: 'good.early' })
  client.send({ type: 'no.schema' })
  await client.settled()
  t.equal(client.count('error'), errors, 'a reply that nobody asked for is not made JSON')
  t.match(await answerTo(t, client, { type: 'walker', walker: 'good.early', response: true }), { type: 'reply', data: 1 })
})

t.test('an error for a frame without a valid type carries the frame\'s id', async (t) => {
  const server = await serve(t, () => {})
  const client = await server.connect('alice')
  t.match(await answerTo(t, client, { id: 'a' }), { code: 'bad_frame', id: 'a' })
  t.match(await answerTo(t, client, { id: 9, type: ['ping'] }), { code: 'bad_frame', id: 9 })
})

t.test('an invalid id is refused, and is sent back only if it is text or a number', async (t) => {
  const server = await serve(t, () => {})
  const client = await server.connect('alice')
  for (const id of [null, true, {}, ['x']]) {
    const answer = await answerTo(t, client, { type: 'ping', id })
    t.match(answer, { code: 'invalid_message' })
    t.notOk('id' in answer)
  }
  const long = 'x'.repeat(129)
  t.match(await answerTo(t, client, { type: 'ping', id: long }), { code: 'invalid_message', id: long })
  t.equal(client.count('pong'), client.received.filter(({ id }) => String(id).startsWith('request-')).length, 'only the test\'s own pings were answered')
})

t.test('a reply that JSON cannot hold is answered with internal, and the handler can still give another', async (t) => {
  const server = await serve(t, (ws) => {
    ws.handle('do.bigint', { schema }, () => 1n)
    ws.handle('do.cycle', { schema }, async () => {
      const cycle: Record<string, unknown> = {}
      cycle.self = cycle
      return cycle
    })
    ws.handle('do.again', { schema }, (_message, context) => {
      try {
        context.reply(1n)
      } catch {
        return 'better'
      }
    })
  })
  const client = await server.connect('alice')
  for (const type of ['do.bigint', 'do.cycle']) {
    t.match(await answerTo(t, client, { type, id: type }), { type: 'error', code: 'internal', id: type, message: 'The server could not process this' })
  }
  t.equal(server.logs.filter(({ msg }) => msg === 'a handler failed').length, 2)
  t.match(await answerTo(t, client, { type: 'do.again', id: 1 }), { type: 'reply', data: 'better' })
})

t.test('a number beyond the safe integers is refused as an id', async (t) => {
  const server = await serve(t, () => {})
  const client = await server.connect('alice')
  for (const id of ['9007199254740993', '-9007199254740992', '1e300', '1e999']) {
    client.socket.send(`{"type":"ping","id":${id}}`)
    const answer = await client.next('error')
    t.match(answer, { code: 'invalid_message' }, id)
    t.notOk('id' in answer)
  }
  t.match(await answerTo(t, client, { type: 'ping', id: Number.MAX_SAFE_INTEGER }), { type: 'reply', id: Number.MAX_SAFE_INTEGER })
})
