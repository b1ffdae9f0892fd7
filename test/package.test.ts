import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, readdir, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { root } from './fixtures/root.js'

const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
const NAME = 'fastify-ws-manager'

interface Outcome { code: number, output: string }

/** Runs a program to its end; one that does not end is a failure. */
async function run (file: string, args: string[], cwd: string): Promise<Outcome> {
  // Not watched for coverage: what runs here is the build. Tap adds its loader by NODE_OPTIONS to whatever is spawned.
  try {
    const { stdout, stderr } = await promisify(execFile)('env', ['-u', 'NODE_OPTIONS', file, ...args], { cwd, timeout: 60_000 })
    return { code: 0, output: stdout + stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number, stdout: string, stderr: string }
    return { code: code ?? -1, output: stdout + stderr }
  }
}

/** A command of a development dependency. */
async function runTool (name: string, args: string[], cwd: string): Promise<Outcome> {
  return run(process.execPath, [await realpath(join(root, 'node_modules/.bin', name)), ...args], cwd)
}

// The compiler and the linters take their time where other tests run beside them.
t.setTimeout(120_000)
const folder = await mkdtemp(join(tmpdir(), 'wsm-package-'))
t.teardown(() => rm(folder, { recursive: true }))
// As it is built: packing must not build again what other tests are using.
const packed = await promisify(execFile)('env', ['-u', 'NODE_OPTIONS', 'npm', 'pack', '--ignore-scripts', '--json', '--pack-destination', folder], { cwd: root })
const [{ filename, files }] = JSON.parse(packed.stdout)
const tarball = join(folder, filename)
const paths: string[] = files.map(({ path }: { path: string }) => path)

/** Somebody's project in which nothing is installed but the packed package and what it says that it needs. */
const consumer = join(folder, 'consumer')
await mkdir(join(consumer, 'node_modules', NAME), { recursive: true })
await promisify(execFile)('tar', ['-xzf', tarball, '-C', join(consumer, 'node_modules', NAME), '--strip-components=1'])
// ws brings no types: like a consumer of @fastify/websocket, one that checks its libraries' types installs them.
for (const name of [...Object.keys(manifest.dependencies), ...Object.keys(manifest.peerDependencies), '@types/node']) {
  await mkdir(dirname(join(consumer, 'node_modules', name)), { recursive: true })
  await symlink(join(root, 'node_modules', name), join(consumer, 'node_modules', name), 'junction')
}
await writeFile(join(consumer, 'package.json'), '{ "type": "module" }')

async function runScript (name: string, text: string): Promise<Outcome> {
  await writeFile(join(consumer, name), text)
  return run(process.execPath, [name], consumer)
}

t.test('the package holds the build of lib, routes and schemas, its documents, and nothing else', async (t) => {
  const besides = paths.filter((path) => !/^dist\/(lib|routes|schemas)\/[\w/-]+\.(js|js\.map|d\.ts)$/.test(path))
  t.same(besides.sort(), ['CHANGELOG.md', 'LICENSE', 'README.md', 'SECURITY.md', 'package.json', 'schemas/PROTOCOL.md'])
  for (const part of ['lib', 'routes', 'schemas']) {
    const sources = (await readdir(join(root, part), { recursive: true })).filter((name) => name.endsWith('.ts'))
    t.ok(sources.length > 3)
    const built = sources.flatMap((source) => ['.js', '.d.ts'].map((extension) => `dist/${part}/${source.replace(/\.ts$/, extension)}`))
    t.same(built.filter((path) => !paths.includes(path)), [])
  }
})

t.test('nothing in it names this machine', async (t) => {
  t.ok(paths.length > 100)
  const named = await Promise.all(paths.map(async (path) => {
    const text = await readFile(join(consumer, 'node_modules', NAME, path), 'utf8')
    return text.includes(root) ? [path] : []
  }))
  t.same(named.flat(), [])
})

t.test('what it needs is installed with it, and nothing that is for development', (t) => {
  t.same(Object.keys(manifest.peerDependencies).sort(), ['@fastify/jwt', 'fastify', 'ioredis'])
  t.same(manifest.peerDependenciesMeta, { ioredis: { optional: true } })
  for (const name of Object.keys(manifest.dependencies)) t.notOk(name in manifest.devDependencies, name)
  for (const name of ['preinstall', 'install', 'postinstall']) t.notOk(name in manifest.scripts, `no ${name} script`)
  t.end()
})

t.test('import gives the plugin, by default and by name', async (t) => {
  const { code, output } = await runScript('import.mjs', `
    import plugin, { wsPlugin, closeCodes, errors, errorCodes, optionsFromEnv, listenOptionsFromEnv, SUBPROTOCOL } from '${NAME}'
    import manifest from '${NAME}/package.json' with { type: 'json' }
    console.log(JSON.stringify([plugin === wsPlugin, typeof plugin, closeCodes.goingAway, typeof errors.isOurs, errorCodes.includes('forbidden'),
      optionsFromEnv({}), listenOptionsFromEnv({}), SUBPROTOCOL, manifest.name]))`)
  t.equal(code, 0, output)
  t.strictSame(JSON.parse(output.split('\n')[0]!), [true, 'function', 1001, 'function', true, {}, {}, 'ws-manager.v1', NAME])
})

t.test('require() gives the plugin itself, the same as import does', async (t) => {
  const { code, output } = await runScript('require.cjs', `
    const plugin = require('${NAME}')
    import('${NAME}').then(({ default: imported }) => console.log(JSON.stringify([typeof plugin, plugin === imported, require('${NAME}/package.json').name])))`)
  t.equal(code, 0, output)
  t.strictSame(JSON.parse(output.split('\n')[0]!), ['function', true, NAME])
})

t.test('the inside cannot be imported', async (t) => {
  const { code, output } = await runScript('inside.mjs', `import '${NAME}/dist/lib/manager.js'`)
  t.equal(code, 1)
  t.match(output, /ERR_PACKAGE_PATH_NOT_EXPORTED/)
})

t.test('an app on the package serves, and its process ends by itself when the app is closed', async (t) => {
  const { code, output } = await runScript('app.mjs', `
    import Fastify from 'fastify'
    import wsPlugin from '${NAME}'
    const app = Fastify()
    await app.register(wsPlugin, { jwt: { secret: 'a secret that is long enough for a test' } })
    await app.listen({ port: 0, host: '127.0.0.1' })
    const health = await fetch(app.listeningOrigin + '/ws/health')
    const ends = [1, 2].map((step) => app.ws.notifyUser({ step, message: 'Go on?' }, { userId: 'alice', taskId: 'import' }))
    const { confirmations: [{ callback_id: id }] } = await app.ws.confirmations.list()
    await app.ws.confirmations.cancel(id)
    const { task } = await app.ws.tasks.start({ userId: 'alice' })
    await app.ws.tasks.done(task.task_id)
    await app.ws.tasks.start({ userId: 'alice' })
    app.ws.startHeartbeat({ userId: 'alice', taskId: 'other' })
    await app.close()
    app.ws.startHeartbeat({ userId: 'alice', taskId: 'late' })
    const late = await app.ws.tasks.start({ userId: 'alice' }).catch(({ code }) => code)
    console.log(JSON.stringify([health.status, (await Promise.all(ends)).map(({ outcome }) => outcome), late]))`)
  t.equal(code, 0, output)
  t.strictSame(JSON.parse(output), [200, ['cancelled', 'closed'], 'WSM_ERR_UNAVAILABLE'])
})

t.test('its types tell a consumer what is right and what is wrong', async (t) => {
  await writeFile(join(consumer, 'consumer.ts'), `
    import Fastify from 'fastify'
    import { Type } from '@sinclair/typebox'
    import wsPlugin, { wsPlugin as named, type Client, type UserConfirmation, type WsManager, type WsPluginOptions } from '${NAME}'

    const app = Fastify()
    const options: WsPluginOptions = { jwt: { secret: 'x' }, limits: { maxConnections: 5 }, authorizeSubscribe: (user, channel) => user?.id === channel }
    await app.register(wsPlugin, options)
    await app.register(named)
    const ws: WsManager = app.ws

    ws.handle('chat.send', { schema: Type.Object({ text: Type.String() }), reply: Type.Object({ length: Type.Number() }) }, ({ text, type, id }, { client, user }) => {
      const inferred: [string, string, string | number | undefined, Client | null, string | undefined] = [text, type, id, client, user?.id]
      return { length: inferred.length }
    })
    const { proceed, answer, outcome }: UserConfirmation<{ gpu: string }> = await ws.notifyUser(
      { step: 1, message: 'Go on?' }, { userId: 'alice', taskId: 'import', answer: Type.Object({ gpu: Type.String() }) })
    const gpu: string | undefined = proceed && outcome === 'confirmed' ? answer?.gpu : undefined
    ws.on('client_disconnected', ({ client, code }) => { app.log.info([client.id.length, code.toFixed(), gpu]) })
    const { localRecipients }: { localRecipients: number } = await ws.broadcast({ type: 'news.flash' }, { except: [] })
    app.get('/', async (request) => ({ user: request.wsUser?.id, localRecipients }))

    // @ts-expect-error: no such option
    await app.register(wsPlugin, { limits: { maxConnection: 5 } })
    // @ts-expect-error: the message has no such field
    ws.handle('chat.read', { schema: Type.Object({ text: Type.String() }) }, ({ test }) => test)
    // @ts-expect-error: the reply is not as declared
    ws.handle('chat.count', { schema: Type.Object({}), reply: Type.Object({ count: Type.Number() }) }, () => ({ count: 'many' }))
    // @ts-expect-error: no such event
    ws.on('client_connect', () => {})
    // @ts-expect-error: nobody is asked
    await ws.notifyUser({ step: 1, message: 'Go on?' }, { taskId: 'import' })`)
  const options = ['--noEmit', '--strict', '--skipLibCheck', 'false', '--skipDefaultLibCheck', '--target', 'es2023', '--lib', 'es2023', '--module', 'nodenext', '--types', 'node']
  const { code, output } = await runTool('tsc', [...options, 'consumer.ts'], consumer)
  t.equal(code, 0, output)
})

t.test('publint finds nothing', async (t) => {
  const { code, output } = await runTool('publint', [tarball, '--strict'], folder)
  t.equal(code, 0, output)
  t.match(output, /All good/)
})

t.test('are the types wrong? They are not', async (t) => {
  const { code, output } = await runTool('attw', ['--profile', 'esm-only', '--no-color', tarball], folder)
  t.equal(code, 0, output)
})
