import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { SECRET } from '../fixtures/app.js'
import { spawnNode } from '../fixtures/process.js'
import { root } from '../fixtures/root.js'

/** Where the Redis is that a node is to use. */
export type RedisAddress = { port: number } | { sentinels: number[], name: string } | { cluster: number[] }

export interface NodeSettings {
  redis: RedisAddress
  /** How far its clock is from the machine's: see `spawnNode`. */
  clock?: string
  /** Options of the engine. */
  engine: object
  /** Options of the plugin. */
  options: object
  /** The folder of the version that it runs, as it is built; by default this one. */
  version?: string
  /** What it runs, from the version's folder; default: `test/faults/node.mjs`. */
  script?: string
}

interface Message { id?: number, origin?: string, value?: unknown, error?: { code: string, message: string } }

/** A run that ends before its time leaves nothing behind. */
const children = new Set<ChildProcess>()
process.on('exit', () => { for (const child of children) child.kill('SIGKILL') })

/** A node in a process of its own, always on the same port. */
export class NodeProcess {
  origin = ''
  readonly #settings: Omit<NodeSettings, 'version'>
  readonly #waiting = new Map<number, { resolve: (value: never) => void, reject: (error: Error) => void }>()
  #child!: ChildProcess
  #calls = 0
  #version: string

  constructor ({ version = root, ...settings }: NodeSettings) {
    this.#version = version
    this.#settings = settings
  }

  /**
   * Resolves when it listens.
   *
   * @param version the folder of the one that it runs from now on, as it is built
   */
  async start (version = this.#version): Promise<void> {
    this.#version = version
    const port = this.origin === '' ? 0 : Number(new URL(this.origin).port)
    const { clock, redis, script = 'test/faults/node.mjs', ...given } = this.#settings
    // Earlier versions know no more of Redis than its port.
    const settings = JSON.stringify({ ...given, redis, ...'port' in redis && { redisPort: redis.port }, port, secret: SECRET })
    const child = this.#child = spawnNode([join(version, script), settings], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }, clock)
    children.add(child)
    await new Promise<void>((resolve, reject) => {
      child.on('message', (message: Message) => {
        if (message.origin === undefined) return this.#receive(message)
        this.origin = message.origin
        resolve()
      })
      child.on('exit', (code, signal) => {
        children.delete(child)
        const error = new Error(`the node ended with ${code ?? signal}`)
        reject(error)
        for (const { reject } of this.#waiting.values()) reject(error)
        this.#waiting.clear()
      })
    })
  }

  /** What the node's own code does; see node.mjs. Rejects also when the process ends before it has answered. */
  command<T> (command: string, ...args: unknown[]): Promise<T> {
    const id = ++this.#calls
    return new Promise((resolve, reject) => {
      if (!this.#child.connected) return reject(new Error('the node is not there'))
      this.#waiting.set(id, { resolve, reject })
      this.#child.send({ id, command, args }, (error) => { if (error !== null) reject(new Error('the node is not there any more', { cause: error })) })
    })
  }

  /** Ends it at once, as a crash would. */
  kill (): Promise<number> {
    return this.#end('SIGKILL')
  }

  /** Lets it close; resolves to how long that took, milliseconds. */
  terminate (): Promise<number> {
    return this.#end('SIGTERM')
  }

  async #end (signal: NodeJS.Signals): Promise<number> {
    const child = this.#child
    const from = performance.now()
    if (child.exitCode === null && child.signalCode === null) {
      child.kill(signal)
      await once(child, 'exit')
    }
    return performance.now() - from
  }

  #receive ({ id, value, error }: Message): void {
    const call = this.#waiting.get(id!)!
    this.#waiting.delete(id!)
    if (error === undefined) call.resolve(value as never)
    else call.reject(Object.assign(new Error(error.message), { code: error.code }))
  }
}
