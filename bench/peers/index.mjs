import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export const OURS = 'fastify-ws-manager'

/** Every peer: its file, what runs it, which dialect (see `load/dialects.mjs`) its sockets speak, and its own settings. */
export const peers = {
  [OURS]: { file: 'fastify-ws-manager.mjs', dialect: 'manager' },
  'socket.io': { file: 'socket.io.mjs', dialect: 'socket.io' },
  'socket.io-recovery': { file: 'socket.io.mjs', dialect: 'socket.io' },
  'socket.io-redis': { file: 'socket.io.mjs', dialect: 'socket.io', settings: { adapter: 'redis' } },
  'socket.io-redis-streams': { file: 'socket.io.mjs', dialect: 'socket.io', settings: { adapter: 'redis-streams' } },
  centrifuge: { file: 'centrifuge.mjs', dialect: 'plain' },
  ws: { file: 'ws.mjs', dialect: 'plain' },
  '@fastify/websocket': { file: 'fastify-websocket.mjs', dialect: 'plain' },
  bun: { file: 'bun.mjs', dialect: 'plain', isBun: true },
  net: { file: 'net.mjs', dialect: 'plain' }
}

/** How to start a peer: the program and its arguments. */
export function commandOf (name, settings, nodeArguments = []) {
  const { file, isBun, settings: own } = peers[name]
  const script = [fileURLToPath(new URL(file, import.meta.url)), JSON.stringify({ ...settings, ...own })]
  return isBun ? [bunPath(), script] : [process.execPath, [...nodeArguments, ...script]]
}

/** The binary is in the platform's package; the package `bun` copies it only where install scripts may run. */
export function bunPath () {
  const { platform, arch } = process
  const cpu = arch === 'arm64' ? 'aarch64' : arch
  const candidates = [`@oven/bun-${platform}-${cpu}/bin/bun`, `@oven/bun-${platform}-${cpu}-baseline/bin/bun`, 'bun/bin/bun.exe']
  const found = candidates.map((path) => fileURLToPath(new URL(`../node_modules/${path}`, import.meta.url))).find((path) => existsSync(path))
  if (found === undefined) throw new Error(`There is no Bun for ${platform} ${arch}: leave it out with --peers`)
  return found
}
