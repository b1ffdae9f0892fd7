import { Type, type Static } from '@sinclair/typebox'
import type { FrameId } from '../../schemas/fields.js'
import { APP_TYPE_PATTERN } from '../../schemas/frames/types.js'
import type { AnySchema, StaticOf } from '../any-schema.js'
import { namesOf, type Permissions } from '../auth/permissions.js'
import type { TokenCheck } from '../auth/token-check.js'
import { contractFault } from '../contract/fault.js'
import type { PreparedCall } from '../contract/prepared.js'
import type { CallChannel, CallMessage, CallReply, CallType } from '../contract/registered.js'
import { UnknownTypeError } from '../errors.js'
import type { Rate } from '../socket/rate.js'
import { checkedMessage } from '../validation/faults.js'
import { formOf, type CallForm, type CallParts } from './call-form.js'
import { asHandler, type Refuse } from './compile.js'
import type { CallContext, HandlerContext } from './handler-context.js'
import type { ReplySchema } from './reply.js'
import type { TypeLimit, TypeLimits } from './type-limits.js'

type Awaitable<T> = T | Promise<T>

/** Makes the context of one call. @param channel the channel that the message is for */
type ContextMaker = (channel: string | null) => CallContext

/** A handler's message: what its schema describes, the frame's type and id, and for a handler of channels the channel. */
export type HandlerMessage<S extends AnySchema, C extends string | undefined = undefined> =
  StaticOf<S> & { type: string, id?: Static<typeof FrameId> } & (C extends string ? { channel: string } : unknown)

/** A handler's context; a handler of channels knows which channel it is. */
type ContextOf<C extends string | undefined, R = unknown> = HandlerContext<C extends string ? string : null, R>

/** The result of a handler: as its `reply` schema describes it, or anything. */
export type HandlerReply<R extends AnySchema | undefined> = R extends AnySchema ? StaticOf<R> : unknown

/** How `ws.handle()` serves one type of frame (row F3). */
export interface HandlerOptions<S extends AnySchema, R extends AnySchema | undefined = undefined, C extends string | undefined = undefined> {
  /**
   * The message's own fields. `type` and `id` need not be named in a `Type.Object` or a `Type.Union` of them,
   * also where they are closed with `additionalProperties: false`. Fields that the schema does not name are removed, at any
   * depth, unless it says `additionalProperties`: `false` refuses them, `true` or a schema keeps them.
   */
  schema: S
  /**
   * Schema of the handler's reply, as JSON: a `Date` is text, and no result is null. A reply that does not match is a fault of the
   * server: the caller gets `internal`, the log the faults. By default a reply is anything that JSON can hold.
   */
  reply?: R | undefined
  /** Also serve `POST <path>/call/<type>`, with the same schema and code; default false. */
  rest?: boolean | undefined
  /**
   * Handles messages in a channel (row H5): a pattern of names in which `*` stands for any text. The frame then has a field
   * `channel` that matches it, and only a socket that is a member of that channel gets through. Not by REST, which has no socket.
   * Default: the handler is for no channel.
   */
  channel?: C | undefined
  /** Rate of one user's messages, in place of `limits.messagesPerSecond` and `limits.burst`. By default as `limits.types` says. */
  limits?: TypeLimit | undefined
  /** Decides whether the caller may call it; by default everybody who may connect. By REST `context.client` is null. */
  authorize?: ((context: ContextOf<C>, message: HandlerMessage<S, C>) => Awaitable<boolean>) | undefined
}

/**
 * Handles the frames of one type. Its result is the `data` of the `reply`. An error of the catalogue (`errors`) and one of the
 * app's own (`AppError`) reach the client; any other error becomes `internal` and a log line.
 */
export type Handler<S extends AnySchema, R extends AnySchema | undefined = undefined, C extends string | undefined = undefined> =
  (message: HandlerMessage<S, C>, context: ContextOf<C>) => Awaitable<HandlerReply<R> | void>

/** Handles a call of the contract. Errors as for {@link Handler}. */
export type CallHandler<T extends CallType> = (message: CallMessage<T>, context: ContextOf<CallChannel<T>, CallReply<T>>) => Awaitable<CallReply<T>>

/** How a call of the contract is served; the contract says what it is like. */
export interface CallHandlerOptions<T extends CallType> extends Pick<HandlerOptions<AnySchema>, 'limits'> {
  /** Decides whether the caller may call it, as for {@link HandlerOptions}; by default everybody who may connect. */
  authorize?: ((context: ContextOf<CallChannel<T>, CallReply<T>>, message: CallMessage<T>) => Awaitable<boolean>) | undefined
}

/** A registered handler. */
export interface HandlerEntry extends CallForm {
  type: string
  /** Rate of one user's messages; null: they count like any other frame. */
  rate: Rate | null
  /** Runs it on a message that passed `check`, and returns its result. Not asynchronous unless the handler is, or its authorize is asked. */
  invoke: (message: object, makeContext: ContextMaker) => unknown
}

/** The form of a call, as a handler's options give it. */
type GivenForm = Partial<Pick<HandlerOptions<AnySchema, AnySchema | undefined, string | undefined>, 'schema' | 'reply' | 'rest' | 'channel'>>

/** The app's handlers by type (row F3). */
export class Handlers {
  readonly #entries = new Map<string, HandlerEntry>()
  readonly #permissions: Permissions
  readonly #tokenCheck: TokenCheck
  readonly #limits: TypeLimits
  /** The calls of the contract, which are all that may have a handler; null: there is no contract. */
  readonly #calls: ReadonlyMap<string, CallForm> | null

  /**
   * @param calls calls of the contract; null: there is no contract
   * @throws WSM_ERR_INVALID_CONTRACT for a schema that cannot be compiled or that no message of the type can match
   */
  constructor (permissions: Permissions, tokenCheck: TokenCheck, limits: TypeLimits, calls: ReadonlyMap<string, PreparedCall> | null) {
    this.#permissions = permissions
    this.#tokenCheck = tokenCheck
    this.#limits = limits
    this.#calls = calls && new Map(Array.from(calls, ([type, call]) => {
      const refuse = (reason: string) => contractFault('calls', type, reason)
      return [type, formOf(refuse, type, { ...call, data: call.data ?? Type.Object({}) }, 'data')]
    }))
  }

  /** @throws WSM_ERR_INVALID_CONTRACT for calls of the contract that have no handler */
  assertComplete (): void {
    const missing = [...this.#calls?.keys() ?? []].filter((type) => !this.#entries.has(type))
    if (missing.length > 0) throw contractFault('calls', missing.join('", "'), 'no handler is registered; ws.handle() registers one')
  }

  /**
   * Makes an entry, which `add` registers.
   *
   * @throws WSM_ERR_INVALID_HANDLER for a type that has a handler or no namespace (row F7), for a schema that cannot be compiled or that
   *   no message of the type can match, for a bad pattern of channels or one together with `rest`, and with a contract for a call that is
   *   not in it, or options that the contract has
   */
  create<S extends AnySchema, R extends AnySchema | undefined, C extends string | undefined> (
    type: string, options: HandlerOptions<S, R, C>, handler: Handler<S, R, C>
  ): HandlerEntry {
    const refuse = asHandler(type)
    if (!APP_TYPE_PATTERN.test(type)) throw refuse('the type must be namespaced, like "chat.send"')
    if (this.#entries.has(type)) throw refuse('it already has a handler')
    const { authorize } = options
    const form = this.#formOf(refuse, type, options)
    const { channelOf } = form
    return {
      ...form,
      type,
      rate: this.#limits.of(type, options.limits),
      invoke: (given, makeContext) => {
        const message = given as HandlerMessage<S, C>
        const channel = channelOf === null ? null : channelOf(given)
        const context = makeContext(channel)
        const its = context as unknown as ContextOf<C>
        // Only a context of a socket has a channel.
        if (channel !== null) context.assertMember!()
        if (authorize === undefined) {
          context.started()
          return handler(message, its)
        }
        const askedAt = this.#tokenCheck.now()
        const { client, user } = context
        const question = { hook: 'authorize', about: { type, channel, ...namesOf(user, client) }, denial: `You may not call ${type}` }
        return this.#permissions.decide(question, () => authorize(its, message)).then(() => {
          // While the app decided, the token may have been revoked, and the socket may have left the channel.
          if (user !== null) this.#tokenCheck.assertTokenStillValid(user, askedAt)
          if (channel !== null) context.assertMember!()
          context.started()
          return handler(message, its)
        })
      }
    }
  }

  #formOf (refuse: Refuse, type: string, given: GivenForm): CallForm {
    if (this.#calls === null) return formOf(refuse, type, partsOf(given), 'schema')
    const form = this.#calls.get(type)
    if (form === undefined) throw refuse('it is not a call of the contract')
    const repeated = (['schema', 'reply', 'rest', 'channel'] as const).find((name) => given[name] !== undefined)
    if (repeated !== undefined) throw refuse(`its ${repeated} is in the contract, and must be left out here`)
    return form
  }

  /** The registered handlers. */
  get entries (): readonly HandlerEntry[] {
    return [...this.#entries.values()]
  }

  add (entry: HandlerEntry): void {
    this.#entries.set(entry.type, entry)
  }

  /** Rate of one user's calls; null: they count like any other, or there is no such handler. */
  rateOf (type: string): Rate | null {
    return this.#entries.get(type)?.rate ?? null
  }

  /** Schema of the replies of a handler; null: it has none, or there is no such handler. */
  replySchemaOf (type: string): ReplySchema | null {
    return this.#entries.get(type)?.replySchema ?? null
  }

  /**
   * Calls a handler by name, not by frame: by REST or by a `walker` frame.
   *
   * @param path JSON pointer of the fields in the caller's message
   * @throws WSM_ERR_UNKNOWN_TYPE, WSM_ERR_INVALID_MESSAGE, and what the handler throws
   */
  async call (type: string, fields: object, makeContext: ContextMaker, path = ''): Promise<unknown> {
    const entry = this.#entries.get(type)
    if (entry === undefined) throw new UnknownTypeError(type)
    return entry.invoke({ ...checkedMessage(entry.check, { type, ...fields }, path), type }, makeContext)
  }
}

function partsOf ({ schema, reply, rest = false, channel }: GivenForm): CallParts {
  return { data: schema, reply, isRest: rest, channel }
}
