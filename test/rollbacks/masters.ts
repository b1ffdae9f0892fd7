import type { Test } from 'tap'
import { RedisServer } from '../fixtures/redis.js'

const KEEP = `
redis.call('DEL', KEYS[1])
for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do redis.call('HSET', KEYS[1], key, redis.call('DUMP', key)) end
return 1
`
const GO_BACK = `
for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do redis.call('DEL', key) end
local kept = redis.call('HGETALL', KEYS[1])
for i = 1, #kept, 2 do redis.call('RESTORE', kept[i], 0, kept[i + 1]) end
return 1
`

/** A redis-server that can be as it was before, as another master, in one moment: what a restart or a promotion makes of one. */
export class Master {
  readonly #server: RedisServer
  readonly #prefix: string

  private constructor (server: RedisServer, prefix: string) {
    this.#server = server
    this.#prefix = prefix
  }

  static async start (t: Test, prefix: string): Promise<Master> {
    return new Master(await RedisServer.start(t, { config: ['--enable-debug-command', 'yes'] }), prefix)
  }

  get admin () {
    return this.#server.admin
  }

  get port (): number {
    return this.#server.port
  }

  /** Keeps what it has, under a name. */
  async keep (name = 'kept'): Promise<void> {
    await this.#server.admin.eval(KEEP, 1, name, this.#prefix)
  }

  /** Has what it has kept, and is another master. */
  async goBack (name = 'kept'): Promise<void> {
    await this.#server.admin.multi().eval(GO_BACK, 1, name, this.#prefix).call('DEBUG', 'CHANGE-REPL-ID').exec()
  }

  /** Has what it has kept, and is the same master: somebody has restored it into the running server. */
  async restore (name = 'kept'): Promise<void> {
    await this.#server.admin.eval(GO_BACK, 1, name, this.#prefix)
  }

  /** Has what it has, and is another master. */
  async failOver (): Promise<void> {
    await this.#server.admin.call('DEBUG', 'CHANGE-REPL-ID')
  }

  /** Takes the place of another one, with what that has kept. */
  async replace (other: Master): Promise<void> {
    const kept = await other.#server.admin.hgetallBuffer('kept')
    await this.#server.admin.del('kept')
    for (const [key, dump] of Object.entries(kept)) await this.#server.admin.hset('kept', key, dump)
    await this.goBack()
  }

  async forget (topics: readonly string[]): Promise<void> {
    const keys = topics.flatMap((topic) => ['position', 'log'].map((part) => `${this.#prefix}:{${topic}}:${part}`))
    await this.#server.admin.del(...keys)
  }
}
