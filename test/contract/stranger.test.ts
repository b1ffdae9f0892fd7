import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import ts from 'typescript'
import { faultsOf, programOf } from '../fixtures/compiler.js'
import { root } from '../fixtures/root.js'

const folder = join(root, 'example-app')

/** Changes to a file of the example app: a text, and what comes in its place. */
type Changes = Record<string, [text: string, replacement: string][]>

/** Compiles the example app with changes, and returns the faults: the file and the line of each. */
function faultsWith (changes: Changes): string[] {
  const { options, projectReferences } = ts.getParsedCommandLineOfConfigFile(join(folder, 'tsconfig.json'), { noEmit: true, incremental: false, declaration: false },
    { ...ts.sys, onUnRecoverableConfigFileDiagnostic: ({ messageText }) => { throw new Error(String(messageText)) } })!
  delete options.tsBuildInfoFile
  const sources = new Map(Object.entries(changes).map(([name, replacements]) => {
    const file = join(folder, name)
    return [file, replacements.reduce((source, [text, replacement]) => {
      if (!source.includes(text)) throw new Error(`${name} has no "${text}"`)
      return source.replace(text, () => replacement)
    }, readFileSync(file, 'utf8'))]
  }))
  return faultsOf(programOf([join(folder, 'app.ts')], sources, options, projectReferences)).map(({ file, line, message }) => file === undefined ? message : `${relative(folder, file)}: ${line}`)
}

t.test('a message, a call and a question added to the example app\'s contract are typed, and every wrong use of them is an error', (t) => {
  const added: Changes = {
    'contract.ts': [
      ["    'chat.tabs':", "    'chat.left': Type.Object({ user_id: Type.String() }),\n    'chat.tabs':"],
      ["    'chat.enter':", "    'chat.leave': { data: Type.Object({ why: Type.String() }), reply: Type.Object({ left_at: Type.Number() }) },\n    'chat.enter':"],
      ["    'import.bad_row':", "    'import.big': { data: Type.Object({ rows: Type.Integer() }), answer: Type.Object({ at_night: Type.Boolean() }) },\n    'import.bad_row':"],
      ["'chat.message', 'chat.tabs']", "'chat.message', 'chat.left', 'chat.tabs']"]
    ],
    'chat.ts': [["  app.ws.handle('chat.enter'", `
  app.ws.handle('chat.leave', async ({ why }, { user }) => {
    app.log.info(why.trim())
    await app.ws.sendToChannel('chat', { type: 'chat.left', user_id: user.id })
    return { left_at: 1 }
  })
  app.ws.handle('chat.leave', ({ wy }) => ({ left_at: wy })) // a field that the call does not have
  app.ws.handle('chat.leave', () => ({ left: 1 })) // another reply
  app.ws.handle('chat.leave', () => {}) // no reply
  app.ws.handle('chat.level', () => {}) // a call that is not in the contract
  app.ws.sendToChannel('chat', { type: 'chat.gone', user_id: 'ann' }) // a message that is not in the contract
  app.ws.sendToChannel('chat', { type: 'chat.left', user: 'ann' }) // another field
  app.ws.sendToChannel('chat', { type: 'demo.announcement', text: 'hello' }) // a message that does not belong there
  app.ws.handle('chat.enter'`]],
    'import.ts': [['  const end = await question.settled()\n', `  const end = await question.settled()
  const big = await ws.confirmations.ask({ kind: 'import.big', to: { user: userId }, message: 'Now?', data: { rows: 1 } })
  const answered = await big.settled()
  if (answered.outcome === 'confirmed' && answered.answer.at_night) return null
  if (answered.outcome === 'confirmed' && answered.answer.at_nite) return null // a field that the answer does not have
  if (end.outcome === 'confirmed' && end.answer.action === 'retry') return null // no choice of the answer
  await ws.confirmations.ask({ kind: 'import.small', to: { user: userId }, message: 'Now?' }) // a kind that is not in the contract
  await ws.confirmations.ask({ kind: 'import.big', to: { user: userId }, message: 'Now?' }) // no data
`]]
  }
  const wrong = Object.entries(added).flatMap(([file, replacements]) => replacements.flatMap(([, text]) => text.split('\n'))
    .filter((line) => line.includes(' // ')).map((line) => `${file}: ${line.trim()}`))
  t.equal(wrong.length, 11)
  t.strictSame(faultsWith(added), wrong)
  t.end()
})

t.test('the example app\'s documents show its contract, and it does not become ready while a call has no handler', async (t) => {
  const built = (name: string) => import(pathToFileURL(join(root, 'dist/example-app', name)).href)
  const [{ createApp }, { readConfig }, { contract }] = await Promise.all([built('app.js'), built('config.js'), built('contract.js')])
  const create = async (): Promise<FastifyInstance> => {
    const app: FastifyInstance = await createApp(readConfig({ JWT_SECRET: 'the secret of the app of this test' }))
    t.teardown(() => app.close())
    return app
  }
  const app = await create()
  const read = async (url: string) => (await app.inject({ url })).json()
  const openapi = await read('/docs/json')
  const asyncapi = await read('/ws/asyncapi.json')
  for (const type of Object.keys(contract.messages)) t.ok(asyncapi.operations[`send.${type}`], type)
  for (const type of Object.keys(contract.calls)) t.ok(asyncapi.operations[`receive.${type}`], type)
  for (const kind of Object.keys(contract.confirmations)) t.ok(asyncapi.operations[`send.question.${kind}`], kind)
  t.ok(openapi.paths['/ws/call/chat.send'])
  const { schemas } = openapi.components
  for (const name of ['ServerChatMessage', 'ServerChatTabs', 'ServerDemoAnnouncement', 'ClientChatEnter', 'ImportBadRowQuestion']) t.ok(schemas[name], name)
  t.match(schemas.ImportBadRowData, { properties: { row: { type: 'integer' } } })
  t.match(schemas.ImportBadRowAnswer, { properties: { action: { title: 'What to do' } } })
  contract.calls['chat.leave'] = {}
  t.teardown(() => { delete contract.calls['chat.leave'] })
  await t.rejects(async () => { await (await create()).ready() }, { code: 'WSM_ERR_INVALID_CONTRACT', message: /calls\["chat\.leave"\]: no handler is registered/ })
})
