import { createContext, createElement, useCallback, useContext, useInsertionEffect, useMemo, useState, useSyncExternalStore, type FunctionComponent, type ReactNode } from 'react'
import type { WsClient } from '../client.js'
import type { AnyConfirmation } from '../confirmations.js'
import type { CallData, CallReply, CallType, ChannelCallType, ChannelMessageType, MessageOf } from '../contract-types.js'
import { WsError } from '../errors.js'
import type { CallArguments, CallOptions } from '../requests.js'
import type { Status, StatusDetail } from '../status.js'
import type { Task } from '../tasks.js'
import { CallStore, type CallState } from './call-store.js'
import { ChannelStore, NOBODY, type ChannelClient, type ChannelView, type UseChannelOptions } from './channel-store.js'

/** Status of the connection; where it is not connected, with the reason and the time of the next attempt. */
export interface ConnectionState extends Readonly<StatusDetail> {
  readonly status: Status
}

/** A channel that a component is in. `Calls` has the data and the reply of each call that belongs to channels. */
export interface UsedChannel<Calls extends Record<string, { data: unknown, reply: unknown }>> extends ChannelView {
  /** Calls the server for this channel. Rejects with `closed` where the component is not mounted, or joins no channel. */
  call: <T extends keyof Calls & string>(type: T, ...args: CallArguments<Calls[T]['data']>) => Promise<Calls[T]['reply']>
}

/** A call with the data `D` and the reply `R`, and the state of the latest one. */
export interface UsedCall<D, R> extends CallState<R> {
  /** Calls the server. A rejection is in `error` too, so a click handler needs no `catch`. */
  call: (...args: CallArguments<D>) => Promise<R>
}

/** Hooks that are typed by the contract `C`; see {@link createHooks}. */
export interface Hooks<C> {
  /** Provides the client to its children. `client={null}`: there is none, as on a server; nothing is connected, joined or loaded. */
  WsProvider: FunctionComponent<{ client: WsClient<C> | null, children?: ReactNode }>
  /**
   * The client, for what has no hook: `useEffect(() => client.user.on('mail.new', show), [client])`.
   *
   * @throws Error if there is none
   */
  useClient (): WsClient<C>
  /** The status of the connection. On a server it is `connecting`. */
  useStatus (): ConnectionState
  /**
   * Joins a channel while the component is mounted. Components in the same channel share one membership; strict mode's second mount, and
   * a component that takes the place of another, do not leave it.
   *
   * @param name null: none is joined; the status is `left`
   */
  useChannel<N extends string, S = unknown> (name: N | null, options?: UseChannelOptions<{ [T in ChannelMessageType<C, N>]: MessageOf<C, T> }, S>):
  UsedChannel<{ [T in ChannelCallType<C>]: { data: CallData<C, T>, reply: CallReply<C, T> } }>
  /** Ids of the users in a channel, which is joined for it. Empty where the server keeps no presence for it. @param name null: none */
  usePresence (name: string | null): readonly string[]
  /** The tasks of the user, oldest first. */
  useTasks (): readonly Task[]
  /** A task of the user; undefined: none of this id is known (yet). */
  useTask (id: string): Task | undefined
  /** The questions that wait for the user, oldest first. The same object for the same question, so that a form can be keyed by its `id`. */
  useConfirmations (): ReadonlyArray<AnyConfirmation<C>>
  /**
   * A call, and the state of the latest one. Unmounting the component does not abort it: it may have taken effect.
   *
   * @param options for a call that belongs to channels: the channel
   */
  useCall<T extends CallType<C>> (type: T, ...options: unknown extends C ? [options?: { channel?: string }] : T extends ChannelCallType<C> ? [options: { channel: string }] : []): UsedCall<CallData<C, T>, CallReply<C, T>>
}

const NOT_CONNECTED: ConnectionState = Object.freeze({ status: 'connecting' })
const NONE: readonly never[] = Object.freeze([])
const nothing = () => {}

/**
 * Makes hooks for a client: `export const { useChannel, useCall } = createHooks(ws)`, or, where each test or each page has a client of its
 * own, `createHooks<typeof contract>()`, whose client comes from its `WsProvider`.
 *
 * @param client the client outside of a `WsProvider`; null: there is none, as on a server
 */
export function createHooks<C = unknown> (client?: WsClient<C> | null): Hooks<C> {
  const Context = createContext(client)

  function useMaybeClient (): WsClient<C> | null {
    const found = useContext(Context)
    if (found === undefined) throw new Error('There is no client: put the component into a WsProvider, or give the client to createHooks()')
    return found
  }

  function useStore (client: WsClient<C> | null, name: string | null): ChannelStore {
    return useMemo(() => new ChannelStore(client as ChannelClient | null, name), [client, name])
  }

  return {
    WsProvider: ({ client, children }) => createElement(Context.Provider, { value: client }, children),

    useClient () {
      const client = useMaybeClient()
      if (client === null) throw new Error('There is no client here: call useClient() only where a browser renders')
      return client
    },

    useStatus () {
      const client = useMaybeClient()
      const subscribe = useCallback((changed: () => void) => client?.on('status', changed) ?? nothing, [client])
      return useSyncExternalStore(subscribe, () => client === null ? NOT_CONNECTED : stateOf(client), () => NOT_CONNECTED)
    },

    useChannel (name, options = {}) {
      const store = useStore(useMaybeClient(), name)
      useInsertionEffect(() => store.use(options))
      const { status, error } = useSyncExternalStore(store.subscribe, store.view, store.serverView)
      const call = useCallback((type: string, data?: object, options?: CallOptions) => store.call(type, data, options), [store])
      return { status, error, call: call as ReturnType<Hooks<C>['useChannel']>['call'] }
    },

    usePresence (name) {
      const store = useStore(useMaybeClient(), name)
      return useSyncExternalStore(store.subscribe, store.presence, () => NOBODY)
    },

    useTasks () {
      const client = useMaybeClient()
      const subscribe = useCallback((changed: () => void) => client?.tasks.on('change', changed) ?? nothing, [client])
      return useSyncExternalStore(subscribe, () => client?.tasks.list ?? NONE, () => NONE)
    },

    useTask (id) {
      const client = useMaybeClient()
      const subscribe = useCallback((changed: () => void) => client?.tasks.on('change', changed) ?? nothing, [client])
      return useSyncExternalStore(subscribe, () => client?.tasks.get(id), () => undefined)
    },

    useConfirmations () {
      const client = useMaybeClient()
      const subscribe = useCallback((changed: () => void) => client?.confirmations.on('change', changed) ?? nothing, [client])
      return useSyncExternalStore(subscribe, () => client?.confirmations.list ?? NONE, () => NONE)
    },

    useCall<T extends CallType<C>> (type: T, { channel }: { channel?: string } = {}) {
      const client = useMaybeClient() as WsClient | null
      const [store] = useState(() => new CallStore<CallReply<C, T>>())
      const state = useSyncExternalStore(store.subscribe, store.state, store.serverState)
      const call = useCallback((data?: object, options?: CallOptions) => store.follow(
        client?.call(type, channel === undefined ? data : { ...data, channel }, options) ?? Promise.reject(new WsError('closed', 'There is no client'))
      ), [client, type, channel, store])
      return { ...state, call: call as UsedCall<CallData<C, T>, CallReply<C, T>>['call'] }
    }
  }
}

const states = new WeakMap<object, { detail: StatusDetail, state: ConnectionState }>()

/** The same object as long as nothing has changed. */
function stateOf (client: { status: Status, statusDetail: StatusDetail }): ConnectionState {
  const { status, statusDetail: detail } = client
  const known = states.get(client)
  if (known?.detail === detail && known.state.status === status) return known.state
  const state = Object.freeze({ status, ...detail })
  states.set(client, { detail, state })
  return state
}
