import { Type } from '@sinclair/typebox'
import type { FastifyBaseLogger } from 'fastify'
import { ChannelName } from '../../schemas/fields.js'
import type { AnyClient, Client } from '../client.js'
import type { ServerMessage } from '../contract/registered.js'
import type { Connection } from '../socket/connection.js'
import type { Identity } from '../socket/identity.js'
import type { AdmittedUser, User } from '../user.js'
import { ForbiddenError, IdentityChangedError, NoSocketError } from '../errors.js'
import { call, defineMethods, type Signature } from '../validation/call.js'
import type { Exchange } from './exchange.js'
import type { Outbound } from './outbound.js'

/**
 * The context of one message, passed to its handler. It keeps nothing of the upgrade request alive, so a handler acquires and
 * releases its own resources (row H6). Its functions can be destructured.
 *
 * It belongs to the sender of the message. When the socket switches users meanwhile, the frame is answered with `identity_changed`, the
 * signal fires, and the context no longer affects the socket.
 */
export interface HandlerContext<C extends string | null = string | null, R = unknown> {
  /** The socket in its current state: its `user` may have changed since the message was sent. null for a call by REST. */
  readonly client: Client | null
  /** The sender; null where the socket, or the caller by REST, is anonymous, which `Register` says with `anonymous: true`. */
  readonly user: AdmittedUser
  /** The channel that the message is for, of which the socket is a member; null unless the handler has a `channel` pattern (row H5). */
  readonly channel: C
  /**
   * Fires when the socket ends, and when it switches users (with WSM_ERR_IDENTITY_CHANGED as its reason); by REST when the caller hangs
   * up before its answer.
   */
  readonly signal: AbortSignal
  /** Adds the ids of the socket and of the sender to every line. */
  readonly log: FastifyBaseLogger
  /** Replies before the handler is done; its return value is then ignored. A frame without an `id` gets no reply. With a contract the data is typed by the call's `reply`. */
  readonly reply: (data: R) => void
  /** Sends a message to this socket alone (row J7), unless it has switched users. @throws WSM_ERR_NO_SOCKET by REST */
  readonly send: (message: ServerMessage) => void
  /**
   * Adds this socket to a channel, without asking `authorizeSubscribe`.
   *
   * @throws WSM_ERR_IDENTITY_CHANGED where it switches users before that is done; WSM_ERR_NO_SOCKET by REST
   */
  readonly join: (channel: string) => Promise<void>
  /** Removes this socket from a channel, unless it has switched users. @throws WSM_ERR_NO_SOCKET by REST */
  readonly leave: (channel: string) => void
}

/** The memberships that a context can change. */
export interface ChannelMemberships {
  /** @throws WSM_ERR_TOO_MANY_CHANNELS, WSM_ERR_UNAVAILABLE, WSM_ERR_IDENTITY_CHANGED */
  join: (connection: Connection, channels: readonly string[], grant: 'joined') => Promise<void>
  leave: (connection: Connection, channel: string) => void
  /** Tells whether the connection is a member of a channel. */
  has: (connection: Connection, channel: string) => boolean
}

/** A context with its internal hooks. Its users can be null, whatever the app says of them. */
export interface CallContext extends Omit<HandlerContext, 'client' | 'user'> {
  readonly client: AnyClient | null
  readonly user: User | null
  /** Checks the membership; absent where there is no socket. @throws WSM_ERR_FORBIDDEN unless it is a member of the context's channel; WSM_ERR_IDENTITY_CHANGED */
  assertMember?: () => void
  /** Called right before the handler is. */
  started: () => void
}

/** The methods of a context that take arguments. */
export const contextSignatures = {
  'context.send': { parameters: { message: Type.Unknown() }, isSync: true },
  'context.join': { parameters: { channel: ChannelName } },
  'context.leave': { parameters: { channel: ChannelName }, isSync: true }
} satisfies Record<string, Signature>

const methods = defineMethods(contextSignatures)

export class SocketContext implements CallContext {
  readonly user: User | null
  readonly channel: string | null
  readonly #exchange: Exchange<object>
  readonly #connection: Connection
  readonly #identity: Identity
  readonly #memberships: ChannelMemberships
  readonly #outbound: Outbound

  constructor (exchange: Exchange<object>, channel: string | null, memberships: ChannelMemberships, outbound: Outbound) {
    this.user = exchange.connection.user
    this.channel = channel
    this.#exchange = exchange
    this.#connection = exchange.connection
    this.#identity = exchange.identity
    this.#memberships = memberships
    this.#outbound = outbound
  }

  get client (): AnyClient { return this.#connection }
  get signal (): AbortSignal { return this.#identity.signal }
  get log (): FastifyBaseLogger { return this.#identity.log }

  // The functions of a context are made when they are asked for: most handlers use none of them.
  get reply () {
    return (data: unknown): void => this.#exchange.reply(data)
  }

  get send () {
    return (message: object): void => {
      const encoded = call(this, methods['context.send'], [message], () => this.#outbound.encodeMessage(message))
      if (!this.#identity.isOver) this.#connection.send(encoded)
    }
  }

  get join () {
    return (channel: string): Promise<void> => call(this, methods['context.join'], [channel], async () => {
      if (this.#identity.isOver) throw new IdentityChangedError()
      await this.#memberships.join(this.#connection, [channel], 'joined')
    })
  }

  get leave () {
    return (channel: string): void => call(this, methods['context.leave'], [channel], () => {
      if (!this.#identity.isOver) this.#memberships.leave(this.#connection, channel)
    })
  }

  started (): void {
    this.#exchange.started()
  }

  assertMember (): void {
    if (this.#identity.isOver) throw new IdentityChangedError()
    if (!this.#memberships.has(this.#connection, this.channel!)) throw new ForbiddenError(`You are not a member of channel "${this.channel}"`)
  }
}

export class RestContext implements CallContext {
  readonly client = null
  readonly channel = null
  readonly user: User | null
  readonly signal: AbortSignal
  readonly log: FastifyBaseLogger
  readonly reply: (data: unknown) => void
  /** True once the handler has been called. */
  isStarted = false

  constructor (user: User | null, signal: AbortSignal, log: FastifyBaseLogger, reply: (data: unknown) => void) {
    this.user = user
    this.signal = signal
    this.log = log
    this.reply = reply
  }

  started (): void { this.isStarted = true }
  send (): never { throw new NoSocketError('send') }
  join (): never { throw new NoSocketError('join') }
  leave (): never { throw new NoSocketError('leave') }
}
