import type { Encoding } from './message.js'

/** The messages that a transport sends in one write. */
export interface Batch {
  /** Number of messages. */
  readonly count: number
  /** Returns all messages joined, in order. Made once for all transports that share the batch and the encoding. */
  in (encoding: Encoding): Buffer
}

/** Listeners of a transport. None is called after `close`. */
export interface TransportEvents {
  /** A message of the client arrived. */
  message (data: Buffer, isBinary: boolean): void
  /** The client sent a pong, as the answer to a ping or unsolicited. */
  pong (data: Buffer): void
  /** The client sent a ping, which the transport answers. */
  ping (data: Buffer): void
  /**
   * The transport failed, and has closed itself where the fault is the client's.
   *
   * @param limit the limit that the client exceeded; null: none
   */
  error (error: Error, limit: 'payload' | 'fragments' | null): void
  /** The transport has ended; called once, last. Without a close message of the client the code is 1006. */
  close (code: number, reason: string): void
}

/**
 * A two-way connection to one client. It knows nothing of users, limits or the protocol. Messages keep their order, and
 * closing is final: nothing is sent after `close`, `terminate` or `reset`.
 */
export interface Transport {
  /** The subprotocol that was negotiated; null: none. */
  readonly protocol: string | null
  /** True until either side begins to close. */
  readonly isOpen: boolean
  /** True when `close` was reported, or is about to be. */
  readonly isClosed: boolean
  /** Number of bytes that were written and not handed to the kernel yet: they wait for the client to read. */
  readonly bufferedBytes: number
  /** Number of bytes handed to the kernel; NaN for a transport that does not count them. */
  readonly flushedBytes: number
  /** True between `pause` and `resume`. */
  readonly isPaused: boolean
  /** Attaches the listeners; called once, in the turn in which the transport opens. */
  listen (events: TransportEvents): void
  /** Adds another listener for the end, called after that of `listen`. */
  onClose (listener: () => void): void
  /** Hot: sends a batch in one write. Only while `isOpen`. */
  send (batch: Batch): void
  /** Calls the listener, in a later turn, when everything sent before has been handed to the kernel, or the transport has ended. Only while `isOpen`. */
  onDrained (listener: () => void): void
  /** Sends a ping that the client answers with the same data. */
  ping (data: string): void
  /** Stops reading. Messages that were read already may still arrive. */
  pause (): void
  resume (): void
  /** Sends a close message after everything sent before; the end is reported when the client has answered. */
  close (code: number, reason: string): void
  /** Ends the transport without a close message. */
  terminate (): void
  /** Ends it like `terminate`, and discards everything unsent, in the kernel too if possible. */
  reset (): void
}
