import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { WebSocketServer } from 'ws'
import { NoUpgradeListenerError } from '../errors.js'

const CLOSING = 'HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\nretry-after: 2\r\n\r\n'

type Listener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

/** Placeholder that is never called: without an 'upgrade' listener Node treats upgrades as plain requests. */
const KEEP = Function.prototype as Listener

export interface UpgradeSettings {
  /** Whether a request is for a route that only the router may answer. */
  isRouted: (request: IncomingMessage) => boolean
  /** Called with every upgrade before it is handed on. */
  onUpgrade: (request: IncomingMessage, socket: Duplex) => void
  /** True if the app registered @fastify/websocket, perhaps with a server of its own, whose upgrades do not come here. */
  mayListenElsewhere: boolean
  /** How long another library may take to answer an upgrade before the router does. */
  graceMs: number
}

/** An upgrade that is not answered yet. */
interface Pending { socket: Duplex, forget: () => void, timer?: NodeJS.Timeout }

/**
 * Hands each upgrade of the server to one taker: Fastify's router, by way of @fastify/websocket, or whatever else listens for
 * upgrades (@fastify/http-proxy, Socket.IO). Each of these answers every upgrade that it sees, and an event cannot be kept
 * from a listener; two answers on one socket break it, or end the process.
 *
 * Fastify does not know a socket until its upgrade is answered, so one that hangs in a hook would delay `app.close()`: pending
 * upgrades are tracked here.
 */
export class Upgrades {
  readonly #server: Server
  readonly #settings: UpgradeSettings
  readonly #pending = new Map<IncomingMessage, Pending>()
  readonly #sockets = new WeakMap<IncomingMessage, Duplex>()
  readonly #router: Listener | undefined
  readonly #stop: () => void
  #isRefusing = false
  #isStopped = false

  /** @throws WSM_ERR_NO_UPGRADE_LISTENER where @fastify/websocket does not listen on the server, or is not as expected */
  constructor (server: Server, webSocketServer: WebSocketServer, settings: UpgradeSettings) {
    this.#server = server
    this.#settings = settings
    this.#router = (server.listeners('upgrade') as Listener[]).find(callsRouter)
    if (this.#router === undefined) {
      if (!settings.mayListenElsewhere || server.listenerCount('upgrade') > 0) throw new NoUpgradeListenerError()
      this.#stop = () => {}
      return
    }
    const onConnection = (_socket: unknown, request: IncomingMessage) => this.#pending.get(request)?.forget()
    const emitBefore = server.emit
    const emit = (...event: [name: string | symbol, ...args: unknown[]]): boolean => {
      if (event[0] !== 'upgrade' || this.#isStopped) return Reflect.apply(emitBefore, server, event)
      const [, request, socket, head] = event as [name: string, ...Parameters<Listener>]
      this.#dispatch(request, socket, head)
      return true
    }
    server.emit = emit
    server.on('upgrade', KEEP)
    webSocketServer.on('connection', onConnection)
    this.#stop = () => {
      this.#isStopped = true
      // Unless another library has put its own around it.
      if (server.emit === emit) server.emit = emitBefore
      server.removeListener('upgrade', KEEP)
      webSocketServer.removeListener('connection', onConnection)
    }
  }

  /** Whether a request asked this server for an upgrade, whoever took it. */
  has (request: IncomingMessage): boolean {
    return this.#sockets.has(request)
  }

  /** The socket of a request. Requests of @fastify/websocket's injectWS have none of their own, so it is kept here. */
  socketOf (request: IncomingMessage): Duplex {
    return this.#sockets.get(request) ?? request.socket
  }

  /** From now on the router gets no more upgrades: they are answered 503. Other libraries still get theirs. */
  refuse (): void {
    this.#isRefusing = true
  }

  /** Cuts what the router has not answered. */
  destroy (): void {
    for (const { socket } of this.#pending.values()) socket.destroy()
  }

  /** Stops watching the server. */
  stop (): void {
    this.#stop()
  }

  #dispatch (request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#settings.onUpgrade(request, socket)
    this.#track(request, socket)
    const others = (this.#server.rawListeners('upgrade') as Listener[]).filter((listener) => listener !== KEEP && !callsRouter(listener))
    if (others.length === 0 || this.#settings.isRouted(request)) return this.#route(request, socket, head)
    const isTouched = touched(request, socket)
    for (const listener of others) listener.call(this.#server, request, socket, head)
    if (isTouched()) return this.#leave(request)
    // A taker may still be deciding; that cannot be told apart from an upgrade that nobody will take.
    const pending = this.#pending.get(request)!
    pending.timer = setTimeout(() => {
      if (isTouched()) this.#leave(request)
      else this.#route(request, socket, head)
    }, this.#settings.graceMs)
  }

  /** Node has taken its own error listener away, ws has none yet, and a reset in between would end the process. */
  #track (request: IncomingMessage, socket: Duplex): void {
    const forget = () => {
      clearTimeout(pending.timer)
      this.#pending.delete(request)
      socket.removeListener('error', destroySelf)
      // An open socket must not keep its request alive.
      socket.removeListener('close', forget)
    }
    const pending: Pending = { socket, forget }
    this.#pending.set(request, pending)
    this.#sockets.set(request, socket)
    socket.on('close', forget)
    socket.on('error', destroySelf)
  }

  /** Another library has it. The error listener stays: not all of them have one. */
  #leave (request: IncomingMessage): void {
    this.#pending.delete(request)
  }

  #route (request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (this.#isRefusing) {
      socket.end(CLOSING, () => socket.destroy())
      return
    }
    this.#router!.call(this.#server, request, socket, head)
    // A route that ignores the upgrade (RFC 9110 section 7.8) answers it like any request. Nobody reads the connection then.
    const { _httpMessage: response } = socket as Duplex & { _httpMessage?: ServerResponse | null }
    if (response == null) return
    response.shouldKeepAlive = false
    response.once('finish', () => socket.end(() => socket.destroy()))
  }
}

function destroySelf (this: Duplex): void {
  this.destroy()
}

/** Tells whether @fastify/websocket listens for upgrades of the server, whichever scope registered it. */
export function isRouting (server: Server): boolean {
  return (server.listeners('upgrade') as Listener[]).some(callsRouter)
}

const routers = new WeakMap<Listener, boolean>()

/**
 * @fastify/websocket's listener has no unique name, so it is recognised by the call in its source. An app that registers the package
 * in several scopes has several, all of one router: any of them serves every socket route.
 */
function callsRouter (listener: Listener): boolean {
  const known = routers.get(listener)
  if (known !== undefined) return known
  const isRouter = String(listener).includes('.routing(')
  routers.set(listener, isRouter)
  return isRouter
}

/** Returns a check whether a listener has acted on the upgrade since: written, ended, or added a property to its request. */
function touched (request: IncomingMessage, socket: Duplex & { bytesWritten?: number }): () => boolean {
  const { bytesWritten } = socket
  const keys = Reflect.ownKeys(request).length
  return () => socket.destroyed || socket.writableEnded || socket.writableLength > 0 || socket.bytesWritten !== bytesWritten || Reflect.ownKeys(request).length !== keys
}
