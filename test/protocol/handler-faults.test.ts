import { Type } from '@sinclair/typebox'
import t from 'tap'
import { AppError, errors, type WsManager } from '../../lib/index.js'
import { startApp } from '../fixtures/app.js'

const schema = Type.Object({})
const limits = { maxErrorsPerMinute: 1_000 }
const SECRET = 'postgres://root:hunter2@10.0.0.7'

t.test('an error that a handler throws reaches the client only if it comes from the catalogue', async (t) => {
  const thrown: Array<[string, () => unknown, object]> = [
    ['an error', () => new Error(SECRET), { code: 'internal' }],
    ['an error with a status of the server', () => Object.assign(new Error(SECRET), { statusCode: 500, code: 'E_SECRET' }), { code: 'internal' }],
    ['an error of the app with a code of the protocol', () => Object.assign(new Error(SECRET), { statusCode: 404, code: 'not_found' }), { code: 'internal' }],
    ['text', () => SECRET, { code: 'internal' }],
    ['nothing', () => undefined, { code: 'internal' }],
    ['null', () => null, { code: 'internal' }],
    ['an object that claims to be one of ours', () => ({ code: 'WSM_ERR_FORBIDDEN', message: SECRET }), { code: 'internal' }],
    ['one of ours that is for developers', () => new errors.InvalidOptionError('jwt', SECRET), { code: 'internal' }],
    ['one of ours that is for REST', () => new errors.UpgradeRequiredError(), { code: 'internal' }],
    ['a code that there is not', () => Object.assign(new Error(SECRET), { code: 'WSM_ERR_HUNTER2' }), { code: 'internal' }],
    ['an error around one of ours', () => new Error(SECRET, { cause: new errors.ForbiddenError('no') }), { code: 'internal' }],
    ['one of ours', () => new errors.ForbiddenError('You may not write here'), { code: 'forbidden', message: 'You may not write here' }],
    ['one of ours around an error', () => Object.assign(new errors.NotFoundError('No such room'), { cause: new Error(SECRET) }), { code: 'not_found', message: 'No such room' }],
    ['one of ours that is the server\'s fault', () => new errors.UnavailableError('Come back later'), { code: 'unavailable', message: 'Come back later' }]
  ]
  const server = await startApp(t, { limits }, {
    after: ({ ws }) => {
      thrown.forEach(([, make], index) => {
        ws.handle(`throw.n${index}`, { schema }, () => { throw make() })
        ws.handle(`reject.n${index}`, { schema }, () => Promise.reject(make()))
      })
    }
  })
  const client = await server.connect('alice')
  for (const [index, [name, , told]] of thrown.entries()) {
    for (const type of [`throw.n${index}`, `reject.n${index}`]) {
      const lines = server.logs.length
      const error = await client.request({ type })
      t.match(error, { type: 'error', ...told }, name)
      t.notMatch(JSON.stringify(error), /hunter2|stack|node:/i)
      const logged = server.logs.slice(lines).filter(({ level, msg }) => level === 50 && msg === 'a handler failed')
      t.equal(logged.length, error.code === 'internal' || error.code === 'unavailable' ? 1 : 0, 'the server\'s faults are logged')
    }
  }
  t.match(server.logs.filter(({ msg }) => msg === 'a handler failed')[0], { type: 'throw.n0', err: { message: SECRET, stack: String }, user_id: 'alice' })
})

t.test('an error of the app\'s own reaches the client, however often', async (t) => {
  const server = await startApp(t, { limits: { maxErrorsPerMinute: 2 } }, {
    after: ({ ws }) => {
      ws.handle('pay.now', { schema }, async () => { throw new AppError('NO_CREDIT', 'None left', { statusCode: 402, details: { left: 0 } }) })
      ws.handle('pay.find', { schema }, () => { throw Object.assign(new Error('Not Found'), { statusCode: 404 }) })
      ws.handle('pay.plain', { schema }, () => { throw { statusCode: 402, code: 'NO_CREDIT' } }) // eslint-disable-line no-throw-literal
    }
  })
  const failed: unknown[] = []
  server.app.ws.on('message_failed', ({ error }) => failed.push((error as AppError).code))
  const client = await server.connect('alice')
  for (let n = 0; n < 3; n++) {
    t.same(await client.request({ type: 'pay.now' }), { type: 'error', code: 'NO_CREDIT', id: `request-${n + 1}`, message: 'None left', details: { left: 0 }, app: true })
  }
  t.match(await client.request({ type: 'pay.find' }), { code: 'HTTP_404', message: 'Not Found', app: true })
  t.match(await client.request({ type: 'pay.plain' }), { code: 'NO_CREDIT', message: 'Payment Required', app: true })
  t.match(await client.request({ type: 'walker', walker: 'pay.now' }), { code: 'NO_CREDIT', app: true })
  t.same(failed.length, 6)
  t.same(server.logs.filter(({ level }) => level >= 50), [], 'it is no fault of the server')
})

t.test('a reply that does not match its schema is answered with internal, and nothing of it reaches the client', async (t) => {
  const reply = Type.Object({ n: Type.Number() }, { additionalProperties: false })
  const bad = { n: SECRET, password: 'hunter2' } as unknown as { n: number }
  const server = await startApp(t, { limits }, {
    after: ({ ws }) => {
      ws.handle('bad.return', { schema, reply }, () => bad)
      ws.handle('bad.resolve', { schema, reply }, async () => bad)
      ws.handle('bad.early', { schema, reply }, (_message, context) => context.reply(bad))
      ws.handle('bad.nothing', { schema, reply }, () => {})
      ws.handle('good.return', { schema, reply }, () => ({ n: 1 }))
      ws.handle('good.resolve', { schema, reply }, async () => ({ n: 2 }))
      ws.handle('good.early', { schema, reply }, (_message, context) => context.reply({ n: 3 }))
      ws.handle('good.second', { schema, reply }, (_message, context) => {
        try {
          context.reply(bad)
        } catch {
          return { n: 4 }
        }
      })
    }
  })
  const client = await server.connect('alice')
  for (const type of ['bad.return', 'bad.resolve', 'bad.early', 'bad.nothing']) {
    const error = await client.request({ type })
    t.match(error, { type: 'error', code: 'internal' }, type)
    t.notOk('details' in error)
    t.notMatch(JSON.stringify(error), /hunter2/)
  }
  const lines = server.logs.filter(({ msg }) => msg === 'a handler\'s reply does not match its schema')
  t.same(lines.map(({ type }) => type), ['bad.return', 'bad.resolve', 'bad.early', 'bad.nothing'])
  t.match(lines[0], { level: 50, faults: [{ path: '/password' }, { path: '/n', message: 'Expected number' }] })
  t.notMatch(JSON.stringify(lines), /hunter2/, 'where it is wrong, not what is there')
  const good = ['good.return', 'good.resolve', 'good.early', 'good.second']
  const before = server.logs.filter(({ level }) => level >= 50).length
  for (const [index, type] of good.entries()) t.match(await client.request({ type }), { type: 'reply', data: { n: index + 1 } })
  const since = server.logs.filter(({ level }) => level >= 50).slice(before)
  t.same(since.map(({ type }) => type), ['good.second'], 'what is returned behind a reply is not looked at')
})

t.test('a handler is called only where its authorize returns true', async (t) => {
  const called: string[] = []
  const asked: unknown[] = []
  const answers: Record<string, () => unknown> = {
    yes: () => true,
    later: async () => true,
    no: () => false,
    'no.later': async () => false,
    nothing: () => undefined,
    truthy: () => 'yes',
    one: () => 1
  }
  const handle = (ws: WsManager) => {
    for (const [name, authorize] of Object.entries(answers)) {
      ws.handle(`ask.${name}`, {
        schema: Type.Object({ n: Type.Number() }),
        authorize: (context, message) => {
          asked.push([context.user?.id, message.n])
          return authorize() as boolean
        }
      }, () => { called.push(name) })
    }
  }
  const server = await startApp(t, { limits }, { after: ({ ws }) => handle(ws) })
  const client = await server.connect('alice')
  for (const name of Object.keys(answers)) {
    const answer = await client.request({ type: `ask.${name}`, n: 1 })
    if (name === 'yes' || name === 'later') t.match(answer, { type: 'reply', data: null }, name)
    else t.match(answer, { type: 'error', code: 'forbidden', message: `You may not call ask.${name}` }, name)
  }
  t.same(called, ['yes', 'later'])
  t.same(asked, Object.keys(answers).map(() => ['alice', 1]))
  t.match(await client.request({ type: 'ask.yes', n: 'x' }), { code: 'invalid_message' })
  t.equal(asked.length, Object.keys(answers).length, 'it is not asked about a message that is not valid')
})

t.test('a failing authorize is answered with an error without its reason, and the handler is not called', async (t) => {
  const called: string[] = []
  const server = await startApp(t, { limits }, {
    after: ({ ws }) => {
      ws.handle('ask.throw', { schema, authorize: () => { throw new Error(SECRET) } }, () => { called.push('throw') })
      ws.handle('ask.reject', { schema, authorize: async () => { throw Object.assign(new Error(SECRET), { statusCode: 503 }) } }, () => { called.push('reject') })
    }
  })
  const client = await server.connect('alice')
  for (const type of ['ask.throw', 'ask.reject']) {
    const error = await client.request({ type })
    t.match(error, { code: 'unavailable' })
    t.notMatch(JSON.stringify(error), /hunter2/)
  }
  t.same(called, [])
  t.equal(server.logs.filter(({ msg }) => msg === 'an authorize hook failed; the action was refused').length, 2)
})
