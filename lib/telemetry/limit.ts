import type { CloseCode, ErrorCode } from '../../schemas/codes.js'
import type { DetailedError } from '../wire-error.js'
import { Counter } from './counter.js'

/** Options that bound a limit, and its answer to an excess. */
export interface LimitDeclaration {
  /** The options that bound it; none: the bound is fixed. */
  options: readonly string[]
  /** The codes of its errors, by frame and by REST. */
  errors?: readonly ErrorCode[]
  /** Makes the error. Missing where the error is made by an engine. */
  error?: (...args: never[]) => DetailedError
  /** The close code of sockets that it ends, or keeps from opening. */
  closeCode?: CloseCode
  /** The close reason of sockets that it ends. */
  reason?: string
}

type ErrorArgs<D> = D extends { error: (...args: infer Args) => DetailedError } ? Args : never
type Closable<D> = D extends { closeCode: CloseCode, reason: string } ? { close: (code: CloseCode, reason: string) => void } : never

/** A limit: it answers what exceeds it, and counts that. Its errors are made nowhere else, so no refusal is left uncounted. */
export class Limit<D extends LimitDeclaration = LimitDeclaration> extends Counter {
  readonly declaration: D

  constructor (name: string, description: string, declaration: D) {
    super(name, description)
    this.declaration = declaration
  }

  /** Counts a refusal, and returns the error to throw. */
  refuse (...args: ErrorArgs<D>): DetailedError {
    this.count()
    return this.relay(...args)
  }

  /** Returns the error of a refusal that another node has counted. */
  relay (...args: ErrorArgs<D>): DetailedError {
    return this.declaration.error!(...args as unknown as never[])
  }

  /** Counts a socket, and closes it. */
  close (socket: Closable<D>): void {
    this.count()
    socket.close(this.declaration.closeCode!, this.declaration.reason!)
  }
}
