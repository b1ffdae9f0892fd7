import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { WsClient, type ClientOptions } from './client.js'
import type { Message, MessageOf, MessageType } from './contract-types.js'
import { WsError } from './errors.js'
import { openSocket } from './open-socket.js'

/** User and path of a test client; further options as for `createClient`. */
export interface TestClientOptions extends Omit<Partial<ClientOptions>, 'getToken' | 'autoConnect'> {
  /** Id of the user. Their token is signed by the app's `@fastify/jwt`. Default: anonymous, unless `token` is given. */
  user?: string
  /** Further claims of the token, such as `{ roles: ['editor'] }`. */
  claims?: object
  /** The token, in place of one for `user`. */
  token?: string
  /** Path of the plugin. Default `/ws`. */
  path?: string
}

/** A client for tests: keeps messages until `next()` asks for them. */
export class TestClient<C = unknown> extends WsClient<C> {
  readonly #unread: Message<C>[] = []
  readonly #waiting = new Set<() => void>()

  /** @internal */
  constructor (options: ClientOptions) {
    super(options, openSocket)
    this.on('message', (message) => {
      this.#unread.push(message)
      for (const look of this.#waiting) look()
    })
  }

  /**
   * Resolves to the oldest message of a type that no earlier call has returned, also one that came before. Rejects with `timeout` if none comes
   * within `timeoutMs` (default 2,000), and names the types of the unread messages.
   */
  next<T extends MessageType<C>> (type: T, { timeoutMs = 2_000 }: { timeoutMs?: number } = {}): Promise<MessageOf<C, T>> {
    return new Promise((resolve, reject) => {
      const settle = () => {
        clearTimeout(timer)
        this.#waiting.delete(look)
      }
      const look = () => {
        const index = this.#unread.findIndex((message) => (message as { type: string }).type === type)
        if (index === -1) return
        settle()
        resolve(this.#unread.splice(index, 1)[0] as unknown as MessageOf<C, T>)
      }
      const timer = setTimeout(() => {
        settle()
        const types = this.#unread.map((message) => (message as { type: string }).type)
        reject(new WsError('timeout', `No message "${type}" came within ${timeoutMs} ms; unread are: ${types.join(', ') || 'none'}`))
      }, timeoutMs)
      this.#waiting.add(look)
      look()
    })
  }
}

/**
 * Makes a client for an app's own tests, connected as a user: `const alice = await createTestClient(app, { user: 'alice' })`. An app that does
 * not listen yet listens on a free port of this machine. The client closes with the app.
 *
 * @throws WsError `signed_out` or `closed` if the server refuses the user; TypeError for a `user` where the app has no `@fastify/jwt`
 */
export async function createTestClient<C = unknown> (app: FastifyInstance, { user, claims = {}, token, path = '/ws', ...options }: TestClientOptions = {}): Promise<TestClient<C>> {
  await listen(app)
  const { address, family, port } = app.server.address() as AddressInfo
  const host = family === 'IPv6' ? '[::1]' : address === '0.0.0.0' ? '127.0.0.1' : address
  const { jwt } = app as unknown as { jwt?: { sign: (payload: object) => string } }
  const getToken = user === undefined && token === undefined ? undefined : () => token ?? sign(jwt, { sub: user, exp: Math.floor(Date.now() / 1000) + 3_600, ...claims })
  const client = new TestClient<C>({ url: `http://${host}:${port}${path}`, ...getToken && { getToken }, ...options })
  app.server.once('close', () => client.close())
  // The server is in this process: what fails at first fails for good.
  const refused = new Promise<never>((_resolve, reject) => {
    client.on('status', (status, { reason }) => {
      if (getToken === undefined && status === 'connecting' && reason !== undefined) reject(new WsError('closed', `createTestClient: the app does not let this client in (${reason})`))
    })
  })
  try {
    await Promise.race([client.ready(), refused])
  } catch (error) {
    client.close()
    throw error
  }
  return client
}

/** Calls of `app.listen()` that are in progress: several clients may be made at once. */
const listening = new WeakMap<FastifyInstance, Promise<unknown>>()

async function listen (app: FastifyInstance): Promise<void> {
  if (app.server.address() !== null) return
  let begun = listening.get(app)
  if (begun === undefined) listening.set(app, begun = app.listen({ port: 0, host: '127.0.0.1' }))
  await begun
}

function sign (jwt: { sign: (payload: object) => string } | undefined, payload: object): string {
  if (jwt === undefined) throw new TypeError('createTestClient: the app has no @fastify/jwt; give a token')
  return jwt.sign(payload)
}
