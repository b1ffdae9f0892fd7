import { createHash, randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import { CALL_TIMES, type CallStore, type KnownCall } from '../engine/engine.js'
import { OutcomeUnknownError } from '../errors.js'
import { isThenable } from '../thenable.js'
import { logThrown } from '../thrown.js'
import { invalidMessage } from '../validation/faults.js'
import type { WireError } from '../wire-error.js'

/** What a call led to: the JSON of its reply, or its error. */
export type Outcome = { json: string } | { error: WireError }

/** Larger replies are not kept: a repetition gets `outcome_unknown`. */
const MAX_OUTCOME_BYTES = 16_384
/** Pause between two looks at a call that another node runs; grows with each look. */
const FIRST_LOOK_MS = 25
const LONGEST_LOOK_MS = 1_000
const KEY = /^[\x21-\x7e]{1,128}$/

/** An earlier call's outcome, or what records that of this one; null means that it was not run. */
export type Begun = { outcome: Outcome } | { record: (outcome: Outcome | null) => void }

/** Calls that clients may repeat: one with an idempotency key runs once, whichever sockets and nodes it comes by. */
export class RepeatableCalls {
  readonly #store: CallStore
  readonly #log: FastifyBaseLogger
  readonly #renewals = new Map<string, { runner: string, timer: NodeJS.Timeout }>()
  /** What waits for the calls of this node, by key. */
  readonly #here = new Map<string, Promise<void>>()

  constructor (store: CallStore, log: FastifyBaseLogger) {
    this.#store = store
    this.#log = log
  }

  /**
   * Begins a call of a user, or waits for the outcome of an earlier one with the same key. Not a promise where nothing is awaited.
   *
   * @param message what is called, without what differs between repetitions
   * @param signal ends the waiting: nobody wants the outcome any more
   * @throws WSM_ERR_INVALID_MESSAGE for a bad key, and for the key of another call; WSM_ERR_OUTCOME_UNKNOWN if the earlier call's node died;
   *   WSM_ERR_UNAVAILABLE
   */
  begin (userId: string, key: unknown, message: object, signal: AbortSignal): Begun | Promise<Begun> {
    if (typeof key !== 'string' || !KEY.test(key)) throw invalidMessage([{ path: '/idempotency_key', message: 'Expected 1 to 128 visible ASCII characters' }])
    const name = hash(`${userId}\n${key}`)
    const call = { name, print: hash(JSON.stringify(message)), runner: randomUUID(), signal }
    const known = this.#store.begin(name, call.print, call.runner)
    if (isThenable(known)) return Promise.resolve(known).then((known) => this.#known(call, known as KnownCall))
    return this.#known(call, known)
  }

  close (): void {
    for (const { timer } of this.#renewals.values()) clearInterval(timer)
    this.#renewals.clear()
  }

  #known (call: Call, known: KnownCall): Begun | Promise<Begun> {
    switch (known.state) {
      case 'new': return { record: this.#run(call) }
      case 'ended': return { outcome: outcomeOf(known.outcome) }
      case 'running': return this.#wait(call)
      case 'lost': throw new OutcomeUnknownError()
      case 'other': throw invalidMessage([{ path: '/idempotency_key', message: 'Expected a key that no other call has' }])
    }
  }

  /** Keeps the lease of a call until its outcome is recorded. */
  #run ({ name, runner }: Call): (outcome: Outcome | null) => void {
    const timer = setInterval(() => { this.#store.renew(name, runner) }, CALL_TIMES.leaseMs / 3)
    this.#renewals.set(name, { runner, timer })
    let ended = () => {}
    this.#here.set(name, new Promise((resolve) => { ended = resolve }))
    let isRecorded = false
    return (outcome) => {
      if (isRecorded) return
      isRecorded = true
      clearInterval(timer)
      this.#renewals.delete(name)
      const text = outcome === null ? null : textOf(outcome)
      this.#store.finish(name, runner, text).catch((error: unknown) => {
        logThrown(this.#log, 'warn', error, {}, 'the outcome of a call could not be stored; a repetition is not run, and its outcome is unknown')
      }).finally(() => {
        this.#here.delete(name)
        ended()
      })
    }
  }

  async #wait (call: Call): Promise<Begun> {
    for (let pauseMs = FIRST_LOOK_MS; ; pauseMs = Math.min(LONGEST_LOOK_MS, pauseMs * 2)) {
      await (this.#here.get(call.name) ?? pause(pauseMs, undefined, { ref: false }))
      call.signal.throwIfAborted()
      const known = await this.#store.begin(call.name, call.print, call.runner)
      if (known.state !== 'running') return this.#known(call, known)
    }
  }
}

interface Call { name: string, print: string, runner: string, signal: AbortSignal }

/** Large replies are replaced, not cut. */
function textOf (outcome: Outcome): string {
  const text = JSON.stringify(outcome)
  return Buffer.byteLength(text) <= MAX_OUTCOME_BYTES ? text : '"large"'
}

function outcomeOf (text: string): Outcome {
  const outcome = JSON.parse(text)
  if (outcome === 'large') throw new OutcomeUnknownError()
  return outcome
}

function hash (text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
