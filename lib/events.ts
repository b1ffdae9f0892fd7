import type { FastifyBaseLogger } from 'fastify'
import type { AvailabilityReason, ConfirmationRecord, TaskRecord } from '../schemas/records.js'
import type { AnyClient, Client, ConnectionEnd } from './client.js'
import type { AdmittedUser, User } from './user.js'
import { isThenable } from './thenable.js'
import { logThrown } from './thrown.js'

/** Events of `ws.on()` and the payloads of their listeners (row F4). */
export interface WsEvents {
  /** A socket is open and authenticated; its `connection` frame has been sent. */
  client_connected: { client: Client }
  /** A socket that was reported as connected has closed. */
  client_disconnected: { client: Client } & ConnectionEnd
  /** A socket switched to another user or to anonymous, or refreshed its token. */
  identity_changed: { client: Client, previous: AdmittedUser }
  /**
   * A frame that passed its schema, before its handler runs. Of `auth` and `change_user` only the type and the id. The client's user is
   * null also before the first `auth` frame (`auth.firstFrame`).
   */
  message_received: { client: AnyClient, message: Readonly<Record<string, unknown>> }
  /**
   * A user's first socket entered, or last socket left, a channel with `presence`. Fires on every node with members in the
   * channel, and on the node of the user's socket.
   */
  user_joined: { channel: string, userId: string }
  user_left: { channel: string, userId: string }
  /**
   * The availability of the shared store, or its reasons, changed. `ready` is false only while none of it works; `GET /ws/ready`
   * then returns 503.
   */
  readiness_changed: { ready: boolean, status: 'ready' | 'degraded' | 'unavailable', reasons: readonly AvailabilityReason[] }
  /** A client does not read its messages: further messages are dropped, or the socket was cut (`slowConsumer`). */
  slow_consumer: { client: Client, action: 'drop' | 'disconnect' }
  /**
   * A frame that was answered with an error, or failed after its answer. `user` is whose frame it was; the client can be
   * another user's by now. It is null also before the first `auth` frame. The message is missing where it could not be read; of `auth` and `change_user` there is only the
   * type and the id.
   */
  message_failed: { client: AnyClient, user: User | null, error: unknown, message?: Readonly<Record<string, unknown>> }
  /** A question ended. */
  confirmation_settled: { confirmation: ConfirmationRecord }
  /**
   * A task was cancelled by its user, an administrator or the app. `task` is null if the task was not started with
   * `ws.tasks.start()`: the app must then stop it itself.
   */
  task_cancelled: { taskId: string, userId: string, task: TaskRecord | null }
}

/** A name of {@link WsEvents}. */
export type WsEventName = keyof WsEvents

const names: Record<WsEventName, true> = {
  client_connected: true,
  client_disconnected: true,
  identity_changed: true,
  message_received: true,
  user_joined: true,
  user_left: true,
  readiness_changed: true,
  slow_consumer: true,
  message_failed: true,
  confirmation_settled: true,
  task_cancelled: true
}
export const eventNames = Object.keys(names) as WsEventName[]

/** Listener of one event. Its return value is ignored, except that a rejected promise is logged. */
export type WsListener<E extends WsEventName> = (event: WsEvents[E]) => unknown

/** An event as a node emits it: its users can be null, whatever the app says of them. */
type Emitted<E extends WsEventName> = {
  [K in keyof WsEvents[E]]: WsEvents[E][K] extends AnyClient ? AnyClient : WsEvents[E][K] extends User | null ? User | null : WsEvents[E][K]
}

/** Passes events to the app's listeners. An error in one listener is logged and does not affect the others. */
export class EventHub {
  readonly #listeners = new Map<WsEventName, Set<{ call: WsListener<WsEventName> }>>()
  readonly #log: FastifyBaseLogger

  constructor (log: FastifyBaseLogger) {
    this.#log = log
  }

  /** Adds a listener and returns the undo; calling it twice is harmless. */
  on<E extends WsEventName> (event: E, listener: WsListener<E>): () => void {
    // Wrapped, so that the same function can be registered twice and each undo takes back its own.
    const entry = { call: listener as WsListener<WsEventName> }
    const entries = this.#listeners.get(event) ?? new Set()
    this.#listeners.set(event, entries.add(entry))
    return () => { entries.delete(entry) }
  }

  /** Returns true if the event has a listener; callers then skip costly payloads. */
  has (event: WsEventName): boolean {
    return (this.#listeners.get(event)?.size ?? 0) > 0
  }

  emit<E extends WsEventName> (event: E, data: Emitted<E>): void {
    const entries = this.#listeners.get(event)
    if (entries === undefined) return
    for (const { call } of entries) {
      try {
        const done = call(data as WsEvents[E])
        if (isThenable(done)) Promise.resolve(done).catch((error: unknown) => this.#failed(event, error))
      } catch (error) {
        this.#failed(event, error)
      }
    }
  }

  #failed (event: WsEventName, error: unknown): void {
    logThrown(this.#log, 'error', error, { event }, 'a listener failed')
  }
}
