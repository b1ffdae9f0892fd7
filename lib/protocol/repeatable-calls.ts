import { createHash, randomUUID } from 'node:crypto'
import { IdempotencyKey } from '../../schemas/fields.js'
import { onAbort } from '../abort.js'
import type { CallStore, KnownCall } from '../engine/engine.js'
import { OutcomeUnknownError, UnavailableError } from '../errors.js'
import { isThenable } from '../thenable.js'
import { invalidMessage } from '../validation/faults.js'
import { EarlierError, toWire, type WireError } from '../wire-error.js'
import type { RememberedCalls } from './remembered-calls.js'

/** Result of a call: the JSON of its reply, or its error; `unknown`: it may have taken effect, and nothing else is known of it. */
export type Outcome = KnownOutcome | 'unknown'
export type KnownOutcome = { json: string } | { error: WireError }

/** Stores the outcome of a call; null forgets it, since it was not run. Only the first call counts. */
export type RecordOutcome = (outcome: Outcome | null) => Promise<void>

/**
 * State of a call that came with a key: it must be run and recorded; or its outcome is known; or it is running, and `wait` resolves to one of
 * the two, or to null when the waiting was ended.
 */
export type Begun = Settled | { wait: () => Promise<Settled | null> }
export type Settled = { record: RecordOutcome } | { outcome: KnownOutcome }

/** Limit of the size of an outcome. Larger ones are not kept: a repetition gets `outcome_unknown`. */
export const MAX_OUTCOME_BYTES = 16_384
/** Pause between two looks at a call that another node runs; it doubles with each. */
const FIRST_LOOK_MS = 25
const LAST_LOOK_MS = 1_000
/** Time without attempts after the store has failed: each takes its time-out, and frames of the socket wait for it. */
const REST_MS = 1_000
const KEY = new RegExp(IdempotencyKey.pattern!)

/** Text of an outcome that is not known. */
const UNKNOWN = '"unknown"'

/** A source of the signal that ends a caller's waiting. Read only where it waits. */
interface Caller { readonly signal: AbortSignal }

interface Call { name: string, print: string, runner: string, userId: string, caller: Caller }

/** A call that this node runs, and the repetitions here that wait for it. */
interface Running { print: string, record: RecordOutcome, waiting: Set<() => void> }

/** Calls that clients may repeat: one with an idempotency key runs once, whichever sockets and nodes it comes by. */
export class RepeatableCalls {
  readonly #store: CallStore
  readonly #remembered: RememberedCalls
  readonly #running = new Map<string, Running>()
  /** Ends each repetition's wait. */
  readonly #waits = new Set<() => void>()
  #isClosed = false
  #restUntil = 0

  constructor (store: CallStore, remembered: RememberedCalls) {
    this.#store = store
    this.#remembered = remembered
  }

  /**
   * Begins a call of a user. Not a promise where nothing is awaited.
   *
   * @param type of the call, and its message as the client sent it; an id may differ between repetitions
   * @throws WSM_ERR_INVALID_MESSAGE for a bad key, and for the key of another call; WSM_ERR_OUTCOME_UNKNOWN; WSM_ERR_RATE_LIMITED when too many
   *   calls are remembered; WSM_ERR_UNAVAILABLE
   */
  begin (userId: string, key: unknown, type: string, message: object, caller: Caller): Begun | Promise<Begun> {
    if (typeof key !== 'string' || key.length > IdempotencyKey.maxLength! || !KEY.test(key)) throw refused('Expected 1 to 128 visible ASCII characters')
    const call = { name: hash(`${key}\n${userId}`), print: printOf(type, message), runner: randomUUID(), userId, caller }
    const known = this.#ask(call)
    return isThenable(known) ? known.then((known) => this.#begun(call, known)) : this.#begun(call, known)
  }

  /** Ends all waits, and stores the outcomes of running calls as unknown: repetitions on other nodes need not wait for the leases. Before the store closes. */
  async close (): Promise<void> {
    this.#isClosed = true
    for (const end of this.#waits) end()
    await Promise.all([...this.#running.values()].map(({ record }) => record('unknown')))
    this.#remembered.close()
  }

  #ask (call: Call): KnownCall | Promise<KnownCall> {
    const own = this.#running.get(call.name)
    if (own !== undefined) return { state: own.print === call.print ? 'running' : 'other' }
    if (performance.now() < this.#restUntil) throw new UnavailableError('Calls with an idempotency key cannot be stored at the moment')
    const known = this.#store.begin(call.name, call.print, call.runner)
    return isThenable(known) ? this.#asked(known) : known
  }

  async #asked (known: PromiseLike<KnownCall>): Promise<KnownCall> {
    try {
      return await known
    } catch (error) {
      this.#restUntil = performance.now() + REST_MS
      throw error
    }
  }

  #begun (call: Call, known: KnownCall): Begun {
    return known.state === 'running' ? { wait: () => this.#wait(call) } : this.#settled(call, known)
  }

  #settled (call: Call, known: KnownCall): Settled {
    switch (known.state) {
      case 'new': return { record: this.#run(call) }
      case 'ended': return { outcome: outcomeOf(known.outcome) }
      case 'lost': throw new OutcomeUnknownError()
      default: throw refused('Expected a key that no other call has')
    }
  }

  #run ({ name, print, runner, userId }: Call): RecordOutcome {
    try {
      if (this.#isClosed) throw new UnavailableError('The server is closing')
      this.#remembered.begin(name, userId)
    } catch (error) {
      // Known here, but not to the store: it has lost writes, and the call must not be run again on another node either.
      this.#store.finish(name, runner, error instanceof OutcomeUnknownError ? UNKNOWN : null)
      throw error
    }
    const waiting = new Set<() => void>()
    const record: RecordOutcome = async (outcome) => {
      if (this.#running.get(name)?.record !== record) return
      this.#running.delete(name)
      const text = outcome === null ? null : textOf(outcome)
      this.#remembered.end(name, text === null ? null : Buffer.byteLength(text))
      await this.#store.finish(name, runner, text)
      for (const wake of waiting) wake()
    }
    this.#running.set(name, { print, record, waiting })
    return record
  }

  async #wait (call: Call): Promise<Settled | null> {
    for (let pauseMs = FIRST_LOOK_MS; await this.#pause(call, pauseMs); pauseMs = Math.min(LAST_LOOK_MS, pauseMs * 2)) {
      const known = await this.#ask(call)
      if (known.state !== 'running') return this.#settled(call, known)
    }
    return null
  }

  /** Waits until a call that runs here has ended, for another one the given time. Resolves to false if the waiting was ended. */
  #pause ({ name, caller: { signal } }: Call, ms: number): Promise<boolean> {
    if (signal.aborted || this.#isClosed) return Promise.resolve(false)
    return new Promise((resolve) => {
      const own = this.#running.get(name)?.waiting
      const settle = (goesOn: boolean) => {
        clearTimeout(timer)
        undo()
        own?.delete(wake)
        this.#waits.delete(end)
        resolve(goesOn)
      }
      const wake = () => settle(true)
      const end = () => settle(false)
      const timer = own === undefined ? setTimeout(wake, ms) : undefined
      const undo = onAbort(signal, end)
      own?.add(wake)
      this.#waits.add(end)
    })
  }
}

/**
 * Makes the outcome of a handler that failed.
 *
 * @param isInterrupted its signal had fired, so it may have stopped halfway
 */
export function failureOf (error: unknown, isInterrupted: boolean): Outcome {
  const wire = toWire(error)
  return isInterrupted && (wire.code === 'internal' || wire.code === 'identity_changed') ? 'unknown' : { error: wire }
}

/** Returns the reply of an earlier call. @throws its error */
export function replyOf (outcome: KnownOutcome): string {
  if ('error' in outcome) throw new EarlierError(outcome.error)
  return outcome.json
}

/** Makes the fingerprint of a call: the same by socket and by REST. */
function printOf (type: string, message: object): string {
  const { id: _, type: __, ...fields } = message as Record<string, unknown>
  return hash(JSON.stringify([type, fields]))
}

/** Outcomes that are too large are replaced, not cut. */
function textOf (outcome: Outcome): string {
  const text = JSON.stringify(outcome)
  return Buffer.byteLength(text) <= MAX_OUTCOME_BYTES ? text : UNKNOWN
}

/** @throws WSM_ERR_OUTCOME_UNKNOWN */
function outcomeOf (text: string): KnownOutcome {
  if (text === UNKNOWN) throw new OutcomeUnknownError()
  return JSON.parse(text)
}

function refused (message: string): Error {
  return invalidMessage([{ path: '/idempotency_key', message }])
}

function hash (text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
