import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { builtinModules } from 'node:module'
import { join } from 'node:path'
import Fastify from 'fastify'
import t from 'tap'
import { parse } from 'yaml'
import { CLOSE_MS, Config, readConfig } from '../../example-app/config.js'
import { spawnNode, startExample } from '../fixtures/process.js'
import { RedisServer } from '../fixtures/redis.js'
import { root } from '../fixtures/root.js'

const folder = join(root, 'example-app')
const read = (name: string) => readFile(join(folder, name), 'utf8')

interface Service {
  build?: { context: string, dockerfile: string }
  environment?: Record<string, string>
  depends_on?: Record<string, { condition: string }>
  configs?: { source: string, target: string }[]
  stop_grace_period?: string
  ports?: string[]
  command?: string[]
}
const dockerfile = await read('Dockerfile')
const compose = parse(await read('compose.yaml')) as {
  services: Record<string, Service>, configs: Record<string, { file?: string, content?: string }>, volumes: object
}
const { nginx, redis, ...nodes } = compose.services as { nginx: Service, redis: Service, [name: string]: Service }
const SECRET = 'a secret of at least thirty-two characters'

/** The environment that the Dockerfile gives. */
const [, given] = /^ENV (.*)$/m.exec(dockerfile)!
const image = Object.fromEntries(given!.split(' ').map((pair) => pair.split('=') as [string, string]))
/** A command in JSON, which runs without a shell. */
const commandOf = (instruction: RegExp) => JSON.parse(instruction.exec(dockerfile)![1]!) as string[]

t.test('compose.yaml starts three nodes with valid environment variables', async (t) => {
  t.equal(Object.keys(nodes).length, 3)
  for (const [name, { build, environment, depends_on: needs, stop_grace_period: grace }] of Object.entries(nodes)) {
    t.equal(join(folder, build!.context), root, name)
    t.equal(join(root, build!.dockerfile), join(folder, 'Dockerfile'))
    t.match(environment!.JWT_SECRET, /^\$\{JWT_SECRET:\?/, 'nobody starts it without')
    const env = { ...image, ...environment, JWT_SECRET: SECRET }
    for (const key of Object.keys(env)) t.ok(key in Config.properties || key === 'NODE_ENV', key)
    const { TRUST_PROXY: trustProxy, REDIS_URL: url } = readConfig(env)
    t.ok(Fastify({ trustProxy: trustProxy! }))
    t.equal(new URL(url!).hostname, 'redis')
    t.same(needs, { redis: { condition: 'service_healthy' } })
    t.ok(Number.parseInt(grace!) * 1_000 > CLOSE_MS, 'the node is not killed while it closes')
  }
})

t.test('compose.yaml runs nginx with the shipped configuration in front of every node', async (t) => {
  t.same(nginx.configs, [{ source: 'nginx', target: '/etc/nginx/nginx.conf' }, { source: 'nodes', target: '/etc/nginx/nginx-nodes.conf' }])
  t.equal(join(folder, compose.configs.nginx!.file!), join(folder, 'nginx.conf'))
  const config = await read('nginx.conf')
  t.match(config, 'include nginx-nodes.conf;')
  t.equal(nginx.ports![0]!.split(':')[1], /listen (\d+);/.exec(config)![1])
  t.same(Object.keys(nginx.depends_on!), Object.keys(nodes))
  const { content } = compose.configs.nodes!
  t.same([...content!.matchAll(/server ([^ ]+)/g)].map(([, address]) => address), Object.keys(nodes).map((name) => `${name}:${image.PORT}`))
  // Besides addresses and comments it is what is tried with nginx.
  const bare = (text: string) => text.replaceAll(/#.*/g, '').replaceAll(/server [^ ]+/g, 'server').replaceAll(/\s+/g, ' ').trim()
  t.equal(bare(content!), bare(await read('nginx-nodes.conf')))
})

t.test('compose.yaml runs Redis without eviction and with persistence', async (t) => {
  const [program, ...config] = redis.command!
  t.equal(program, 'redis-server')
  const { admin } = await RedisServer.start(t, { config })
  t.same(await admin.config('GET', 'maxmemory-policy'), ['maxmemory-policy', 'noeviction'])
  t.same(await admin.config('GET', 'appendonly'), ['appendonly', 'yes'])
})

t.test('the Dockerfile copies only files that exist and are not ignored', async (t) => {
  const ignored = await read('Dockerfile.dockerignore')
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, sources]) => sources!.split(' '))
  t.ok(copied.length > 5)
  for (const source of copied) {
    t.ok(existsSync(join(root, source)), source)
    t.ok(ignored.includes(`\n!${source}\n`), `${source} is not ignored`)
  }
  const built = [...dockerfile.matchAll(/^COPY --from=build \/app\/(\S+) (\S+)$/gm)].map(([, source]) => source!)
  t.same(built, ['package.json', 'node_modules', 'dist', 'example-app/public'])
  for (const source of built) t.ok(existsSync(join(root, source)), source)
})

/** The packages that the example app's own code imports, types aside. */
async function importedPackages (): Promise<string[]> {
  const imported = new Set<string>()
  for (const file of (await readdir(folder)).filter((name) => name.endsWith('.ts'))) {
    for (const [, from] of (await read(file)).matchAll(/^import (?!type).* from '([^.'][^']*)'$/gm)) {
      const [scope, name] = from!.split('/')
      if (!builtinModules.includes(from!.replace('node:', ''))) imported.add(scope!.startsWith('@') ? `${scope}/${name}` : scope!)
    }
  }
  return [...imported]
}

t.test('the Dockerfile keeps the packages that the example app imports', async (t) => {
  const { name: own, dependencies, devDependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  const [, kept] = /^ {4}((?:@?[\w-]+\/?[\w-]* )+)\\$/m.exec(dockerfile)!
  const imported = await importedPackages()
  t.same(kept!.trim().split(' '), imported.filter((name) => name !== own && !(name in dependencies)).sort())
  for (const name of kept!.trim().split(' ')) t.ok(name in devDependencies, name)
})

t.test('example-app/package.json lists exactly the packages that npm start needs, in the versions of development', async (t) => {
  const { name: own, dependencies, devDependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  const listed: Record<string, string> = JSON.parse(await read('package.json')).dependencies
  const imported = (await importedPackages()).filter((name) => name !== own)
  const needed = new Set([...Object.keys(dependencies), ...imported, '@fastify/jwt', '@types/node', 'esbuild', 'typescript'])
  t.same(Object.keys(listed).sort(), [...needed].sort())
  for (const [name, version] of Object.entries(listed)) t.equal(version, dependencies[name] ?? devDependencies[name], name)

  const { packages } = JSON.parse(await read('package-lock.json'))
  const { packages: ofDevelopment } = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8'))
  const installed = Object.keys(packages).filter((path) => path !== '')
  t.ok(installed.length > 50)
  t.same(installed.filter((path) => packages[path].version !== ofDevelopment[path]?.version), [])
})

t.test('the Dockerfile runs the built app as an unprivileged user, with a readiness check', async (t) => {
  t.match(dockerfile, /^USER node$/m)
  t.same(commandOf(/^CMD (.*)$/m), ['node', 'dist/example-app/server.js'])
  const [program, ...args] = commandOf(/^ {2}CMD (.*)$/m)
  t.equal(program, 'node')
  const check = async (port: string) => (await once(spawnNode(args, { env: { ...process.env, PORT: port }, stdio: 'ignore' }), 'exit'))[0]
  const { origin, child } = await startExample(t)
  const { port } = new URL(origin)
  t.equal(await check(port), 0)
  child.kill('SIGTERM')
  await once(child, 'exit')
  t.equal(await check(port), 1)
})
