import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { WebSocketServer } from 'ws'
import { NoUpgradeListenerError } from '../errors.js'

const CLOSING = 'HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\nretry-after: 2\r\n\r\n'

type Listener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

/** Never called: without an 'upgrade' listener Node treats upgrades as plain requests. */
const KEEP = Function.prototype as Listener

export interface UpgradeSettings {
  /** Returns true if only the router may answer the request. */
  isRouted: (request: IncomingMessage) => boolean
  /** Called with every upgrade before it is passed on. */
  onUpgrade: (request: IncomingMessage, socket: Duplex) => void
  /** True if the app registered @fastify/websocket, possibly with its own server, whose upgrades bypass this one. */
  mayListenElsewhere: boolean
  /** Time for another library to answer an upgrade before the router does. */
  graceMs: number
}

/**
 * An unanswered upgrade.
 *
 * @property isTaken tells whether another library has taken it meanwhile; missing: only the router may answer it
 */
interface Pending { socket: Duplex, forget: () => void, timer?: NodeJS.Timeout, isTaken?: () => boolean }

/**
 * Passes each upgrade of the server to one taker: Fastify's router through @fastify/websocket, or another upgrade listener
 * (@fastify/http-proxy, Socket.IO). Each of them answers every upgrade that it sees, and an event cannot be withheld from a
 * listener; two answers on one socket break it, or end the process.
 *
 * Fastify does not know a socket until its upgrade is answered, so an upgrade that hangs in a hook would delay `app.close()`.
 * Pending upgrades are therefore tracked here.
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

  /** @throws WSM_ERR_NO_UPGRADE_LISTENER if @fastify/websocket does not listen on the server, or differs from the expected version */
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
      // Skipped if another library has wrapped it since.
      if (server.emit === emit) server.emit = emitBefore
      server.removeListener('upgrade', KEEP)
      webSocketServer.removeListener('connection', onConnection)
    }
  }

  /** Returns true if the request asked this server for an upgrade, whoever took it. */
  has (request: IncomingMessage): boolean {
    return this.#sockets.has(request)
  }

  /** Returns the socket of a request. Kept here, since requests of @fastify/websocket's injectWS have no socket. */
  socketOf (request: IncomingMessage): Duplex {
    return this.#sockets.get(request) ?? request.socket
  }

  /** Stops passing upgrades to the router: they get 503 from now on. Other libraries still receive theirs. */
  refuse (): void {
    this.#isRefusing = true
  }

  /** Destroys upgrades that neither the router nor another library has answered. */
  destroy (): void {
    for (const { socket, isTaken } of this.#pending.values()) if (isTaken?.() !== true) socket.destroy()
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
    const isTaken = touched(request, socket)
    for (const listener of others) listener.call(this.#server, request, socket, head)
    if (isTaken()) return this.#leave(request)
    // A listener that is still deciding cannot be told from one that will not take the upgrade.
    const pending = this.#pending.get(request)!
    pending.isTaken = isTaken
    pending.timer = setTimeout(() => {
      if (isTaken()) this.#leave(request)
      else this.#route(request, socket, head)
    }, this.#settings.graceMs)
  }

  /** Handles socket errors: Node has removed its own listener, ws has not added one yet, and a reset in between would end the process. */
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

  /** Leaves the upgrade to another library. The error listener stays, since not all libraries add one. */
  #leave (request: IncomingMessage): void {
    this.#pending.delete(request)
  }

  #route (request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (this.#isRefusing) {
      socket.end(CLOSING, () => socket.destroy())
      return
    }
    this.#router!.call(this.#server, request, socket, head)
    // A route that ignores the upgrade (RFC 9110 section 7.8) answers it like any request. Nothing reads the connection then.
    const { _httpMessage: response } = socket as Duplex & { _httpMessage?: ServerResponse | null }
    if (response == null) return
    response.shouldKeepAlive = false
    response.once('finish', () => socket.end(() => socket.destroy()))
  }
}

function destroySelf (this: Duplex): void {
  this.destroy()
}

/** Returns true if @fastify/websocket listens for upgrades of the server, whichever scope registered it. */
export function isRouting (server: Server): boolean {
  return (server.listeners('upgrade') as Listener[]).some(callsRouter)
}

const routers = new WeakMap<Listener, boolean>()

/**
 * Recognizes @fastify/websocket's listener by a call in its source, since it has no unique name. An app that registers the
 * package in several scopes has several listeners, all for one router: any of them serves every socket route.
 */
function callsRouter (listener: Listener): boolean {
  const known = routers.get(listener)
  if (known !== undefined) return known
  const isRouter = String(listener).includes('.routing(')
  routers.set(listener, isRouter)
  return isRouter
}

/** Returns a check whether a listener has since acted on the upgrade: written, ended, or added a property to its request. */
function touched (request: IncomingMessage, socket: Duplex & { bytesWritten?: number }): () => boolean {
  const { bytesWritten } = socket
  const keys = Reflect.ownKeys(request).length
  return () => socket.destroyed || socket.writableEnded || socket.writableLength > 0 || socket.bytesWritten !== bytesWritten || Reflect.ownKeys(request).length !== keys
}
