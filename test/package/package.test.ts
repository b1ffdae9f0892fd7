import { builtinModules } from 'node:module'
import { mkdir, mkdtemp, readFile, readdir, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Kind } from '@sinclair/typebox'
import t from 'tap'
import ts from 'typescript'
import { root } from '../fixtures/root.js'

interface Outcome { code: number, output: string }
interface Shown { name: string, isOptional: boolean, isGroup: boolean, description: string, default: string | null }

/** They also serve the combinations of `npm run test:package`, which no build is needed for. */
const load = (name: string) => import(pathToFileURL(join(root, 'test/package', name)).href)
const { NAME, packBuilt, unpackInto, run } = await load('packed.mjs')
const { ONE_COPY, ONE_COPY_ENDS, REGISTER, REQUIRED, STORY_ENDS, TYPED, TYPED_CLIENT, USED, contract, registered, registering, story } = await load('consumers.mjs')
const { Editor } = await load('quick-info.mjs')
const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))

/** A command of a development dependency. */
async function runTool (name: string, args: string[]): Promise<Outcome> {
  return run(process.execPath, [await realpath(join(root, 'node_modules/.bin', name)), ...args], folder)
}

// The compiler and the linters take their time where other tests run beside them.
t.setTimeout(120_000)
const folder = await realpath(await mkdtemp(join(tmpdir(), 'wsm-package-')))
t.teardown(() => rm(folder, { recursive: true }))
const { tarball, paths, size, unpackedSize }: { tarball: string, paths: string[], size: number, unpackedSize: number } = await packBuilt(folder)
/** Somebody's project, in which nothing is installed but the packed package and what it says that it needs. */
const consumer = join(folder, 'consumer')
await mkdir(consumer)
await unpackInto(consumer, tarball)
await writeFile(join(consumer, 'package.json'), '{ "type": "module" }')

async function runScript (name: string, text: string): Promise<Outcome> {
  await writeFile(join(consumer, name), text)
  return run(process.execPath, [name], consumer)
}

/** A program that compiles where the interfaces that packing has written are what their schemas describe. */
async function derivedTypes (): Promise<string> {
  const lines = ["import type { Static } from '@sinclair/typebox'"]
  for (const path of paths.filter((path) => path.endsWith('.d.ts') && paths.includes(path.replace('.d.ts', '.js')))) {
    for (const [, name] of (await contentOf(path)).matchAll(/^export interface (\w+) \{/gm)) {
      const file = `./node_modules/${NAME}/${path.replace('.d.ts', '.js')}`
      const schema = { WsPluginOptions: 'OptionsSchema', RedisEngineOptions: 'RedisOptionsSchema' }[name!] ?? name!
      const module = await import(pathToFileURL(join(consumer, file)).href)
      if (module[schema]?.[Kind] === undefined) continue
      const described = `Static<typeof import('${file}').${schema}>`
      lines.push(`export const of${name} = (described: ${described}): import('${file}').${name} => described`)
      // Options may also be undefined, or left out.
      if (!/(?:Options|Limit|Rule)$/.test(name!)) lines.push(`export const from${name} = (written: import('${file}').${name}): ${described} => written`)
    }
  }
  return lines.join('\n')
}

const contentOf = (path: string) => readFile(join(consumer, 'node_modules', NAME, path), 'utf8')

/** What is packed of the client's code. */
const bundles = paths.filter((path) => /^dist\/client\/.*\.js$/.test(path))

t.test('the package holds the build of lib, routes, schemas and client, its documents, and nothing else', async (t) => {
  // The client is debugged in browsers, with its source maps.
  const besides = paths.filter((path) => !/^dist\/((lib|routes|schemas|client)\/[\w/-]+\.(js|d\.ts)|client\/[\w/-]+\.js\.map)$/.test(path))
  t.same(besides.sort(), [
    'CHANGELOG.md', 'LICENSE', 'README.md', 'SECURITY.md', 'bench/README.md',
    ...['client/elements/index', 'client/index', 'client/react/index', 'client/tabs/index', 'client/testing', 'lib/contract/contract', 'lib/engine/redis/redis', 'lib/index']
      .flatMap((entry) => [`dist/${entry}.cjs`, `dist/${entry}.d.cts`]),
    ...(await readdir(join(root, 'docs'))).map((name) => `docs/${name}`).sort(),
    'example-app/nginx.conf', 'package.json', 'schemas/PROTOCOL.md'
  ])
  for (const part of ['lib', 'routes', 'schemas']) {
    const sources = (await readdir(join(root, part), { recursive: true })).filter((name) => name.endsWith('.ts'))
    t.ok(sources.length > 3)
    t.same(sources.map((source) => `dist/${part}/${source.replace(/(\.d)?\.ts$/, '.js')}`).filter((path) => !paths.includes(path)), [])
  }
  // The client's modules are in its bundles.
  const shared = bundles.filter((path) => path.startsWith('dist/client/chunk-'))
  t.ok(shared.length > 0)
  t.same(bundles.filter((path) => !shared.includes(path)).sort(), ['elements/index', 'index', 'react/index', 'script', 'tabs/index', 'testing'].map((name) => `dist/client/${name}.js`))
})

t.test('nothing in the package names this machine, a source map that is not there, or a row of an internal document', async (t) => {
  t.ok(paths.length > 100)
  const texts = await Promise.all(paths.map(async (path) => ({ path, text: await contentOf(path) })))
  const pathsOf = (isIt: (text: string) => boolean, files: RegExp) => texts.filter(({ path, text }) => files.test(path) && isIt(text)).map(({ path }) => path)
  t.same(pathsOf((text) => text.includes(root), /./), [])
  t.same(pathsOf((text) => /^\/\/# sourceMappingURL/m.test(text), /\.c?js$/).filter((path) => !paths.includes(`${path}.map`)), [])
  t.same(pathsOf((text) => /\brows? [A-Z]\d/.test(text), /\.d\.c?ts$/), [])
})

t.test('every module that a declaration in the package names is in the package', async (t) => {
  const declarations = paths.filter((path) => /\.d\.c?ts$/.test(path))
  const named = await Promise.all(declarations.map(async (path) => [...(await contentOf(path)).matchAll(/(?:from|import\() ?['"](\.[^'"]+)['"]/g)]
    .map(([, module]) => join(dirname(path), module!.replace(/\.(c?)js$/, '.d.$1ts')))))
  t.ok(named.flat().length > 100)
  t.same(named.flat().filter((path) => !paths.includes(path)), [])
})

t.test('every declaration in the package can be reached from its entries', async (t) => {
  const { reachableFrom } = await import(pathToFileURL(join(root, 'scripts/declarations.mjs')).href)
  const own = join(consumer, 'node_modules', NAME)
  const entries = Object.values(manifest.exports as Record<string, { types?: string, import?: { types: string } }>).flatMap(({ types, import: module }) => types ?? module?.types ?? [])
  t.ok(entries.length >= 6)
  const reached = reachableFrom(entries.map((entry) => join(own, entry)))
  t.same(paths.filter((path) => path.endsWith('.d.ts')).map((path) => join(own, path)).sort(), [...reached].sort())
})

t.test('the README says how large the package is and how many packages it brings', async (t) => {
  const readme = await contentOf('README.md')
  const [, packed, unpacked, count] = /(\d+) kB packed and (\d+\.\d) MB unpacked, with (\d+) dependencies/.exec(readme) ?? []
  t.equal(Number(count), Object.keys(manifest.dependencies).length)
  const isNear = (said: number, is: number) => Math.abs(said - is) <= is / 10
  t.ok(isNear(Number(packed), size / 1e3), `${size} bytes packed`)
  t.ok(isNear(Number(unpacked), unpackedSize / 1e6), `${unpackedSize} bytes unpacked`)
})

t.test('the files that the packed documents link to are packed', async (t) => {
  for (const document of paths.filter((path) => path.endsWith('.md'))) {
    const links = [...(await contentOf(document)).matchAll(/\]\(([^)#\s]+)/g)].map(([, link]) => link!)
    const local = links.filter((link) => !/^[a-z]+:/.test(link))
    t.same(local.filter((link) => !paths.includes(join(document, '..', link))), [], document)
  }
})

t.test('the package brings what it needs, and nothing that is for development', (t) => {
  t.same(Object.keys(manifest.peerDependencies).sort(), ['@fastify/jwt', 'fastify', 'ioredis', 'react'])
  t.same(manifest.peerDependenciesMeta, { ioredis: { optional: true }, react: { optional: true } })
  for (const name of Object.keys(manifest.dependencies)) t.notOk(name in manifest.devDependencies, name)
  for (const name of ['preinstall', 'install', 'postinstall']) t.notOk(name in manifest.scripts, `no ${name} script`)
  t.end()
})

t.test('every package that a module or a declaration of the package imports is one that it brings or asks for', async (t) => {
  const declared = new Set([...Object.keys(manifest.dependencies), ...Object.keys(manifest.peerDependencies), ...builtinModules])
  const modules = paths.filter((path) => /\.(?:c?js|d\.c?ts)$/.test(path) && path !== 'dist/client/script.js')
  const imported = (await Promise.all(modules.map(async (path) => [...(await contentOf(path)).matchAll(/^(?:import|export)\b[^'"\n]*? from '([^.'][^']*)'|\b(?:import|require)\('([^.'][^']*)'\)/gm)].map(([, static_, dynamic]) => (static_ ?? dynamic)!)))).flat()
  const names = new Set(imported.map((from) => from.replace(/^node:/, '').split('/').slice(0, from.startsWith('@') ? 2 : 1).join('/')))
  t.ok(names.size > 10)
  t.same([...names].filter((name) => !declared.has(name)), [])
  // Its name is hidden from bundlers, and installers that are strict give a package only what it declares.
  t.ok((await Promise.all(bundles.map(contentOf))).some((text) => text.includes('name = "ws"')))
  t.ok('ws' in manifest.dependencies)
})

t.test('the version in the code is that of package.json, and needs no file', async (t) => {
  t.match(await contentOf('dist/lib/version.js'), `'${manifest.version}'`)
  const loaders = await Promise.all(paths.filter((path) => path.endsWith('.js')).map(async (path) => /import\.meta|createRequire/.test(await contentOf(path)) ? [path] : []))
  t.same(loaders.flat(), [])
})

t.test('the main story runs on what import gives, by default and by name', async (t) => {
  const { code, output } = await runScript('story.mjs', story('import', { webSocket: 'ws' }))
  t.equal(code, 0, output)
  t.equal(output.trim(), STORY_ENDS)
})

t.test('the main story runs on what require() gives: the plugin, and by its properties everything else', async (t) => {
  const { code, output } = await runScript('story.cjs', story('require', { webSocket: 'ws' }))
  t.equal(code, 0, output)
  t.equal(output.trim(), STORY_ENDS)
})

t.test('import and require() give one copy, so that instanceof holds for both', async (t) => {
  const { code, output } = await runScript('one-copy.cjs', ONE_COPY)
  t.equal(code, 0, output)
  t.equal(output.trim(), ONE_COPY_ENDS)
})

t.test('a file inside the package cannot be imported', async (t) => {
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

t.test('an editor', async (t) => {
  const derived = await derivedTypes()
  t.ok(derived.split('\n').length > 30)
  const options: ts.CompilerOptions = {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2023,
    lib: ['lib.es2023.d.ts'],
    types: ['node'],
    strict: true,
    exactOptionalPropertyTypes: true,
    isolatedModules: true,
    skipLibCheck: true,
    noEmit: true
  }
  const plain = registered(false)
  const editor = new Editor(consumer, { 'typed.mts': TYPED, 'typed.cts': TYPED, 'required.cts': REQUIRED, 'derived.mts': derived, 'plain.mts': plain, 'plain.cts': plain }, options)

  t.test('underlines what is wrong and nothing else, in ES modules and in CommonJS', (t) => {
    t.same(editor.faults(), [])
    t.end()
  })

  t.test('knows the client with all its parts in a page, in ES modules and in CommonJS', (t) => {
    const files = { 'client.mts': TYPED_CLIENT, 'client.cts': TYPED_CLIENT }
    t.same(new Editor(consumer, files, { ...options, lib: ['lib.es2023.d.ts', 'lib.dom.d.ts'] }).faults(), [])
    t.end()
  })

  t.test('shows a user as nullable in an app whose Register says anonymous, in ES modules and in CommonJS', (t) => {
    const files = { 'register.mts': REGISTER, 'anonymous.mts': registered(true), 'anonymous.cts': registered(true) }
    t.same(new Editor(consumer, files, options).faults(), [])
    t.end()
  })

  t.test('takes the types of messages, calls and questions from a contract, in ES modules and in CommonJS', (t) => {
    for (const kind of ['m', 'c']) {
      const isCommonJs = kind === 'c'
      const files = { [`contract.${kind}ts`]: contract(isCommonJs), 'register.mts': registering(`contract.${kind}js`), 'used.mts': USED, 'used.cts': USED }
      t.same(new Editor(consumer, files, options).faults(), [], kind)
      const declared = new Editor(consumer, { [`contract.${kind}ts`]: contract(isCommonJs) }, { ...options, declaration: true })
      t.same(declared.faults(), [], `${kind}: every type of a contract can be named in its declaration`)
    }
    t.end()
  })

  t.test('shows the description, the unit and the default of every option', (t) => {
    const shown: Shown[] = [...editor.optionsOf(NAME), ...editor.optionsOf(`${NAME}/redis`)]
    const names = new Set(shown.map(({ name }) => name))
    for (const name of ['WsPluginOptions.limits.maxQueueBytes', 'WsPluginOptions.channels.history.ttlMs', 'SendOptions.ack.tries', 'RedisEngineOptions.leaseMs', 'HandlerOptions.limits.burst']) t.ok(names.has(name), name)
    t.ok(names.size > 120)
    const namesOf = (isBad: (option: Shown) => boolean) => shown.filter(isBad).map(({ name }) => name)
    t.same(namesOf(({ description }) => description.length < 6), [], 'every option is described')
    t.same(namesOf(({ name, description }) => name.endsWith('Ms') && !description.includes('milliseconds')), [])
    t.same(namesOf(({ name, description }) => name.endsWith('Bytes') && !description.includes('bytes')), [])
    // Data that an app hands over (a user, a step's result) has fields that can be missing, which is no default.
    const needsDefault = ({ name, isOptional, isGroup }: Shown) => isOptional && !isGroup && !/^(?:AuthenticatedUser|StepResult)\./.test(name)
    t.same(namesOf((option) => needsDefault(option) && option.default === null && !/default|needed unless/i.test(option.description)), [])
    t.end()
  })
  t.end()
})

t.test('publint finds nothing', async (t) => {
  const { code, output } = await runTool('publint', [tarball, '--strict'])
  t.equal(code, 0, output)
  t.match(output, /All good/)
})
