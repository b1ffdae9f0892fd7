import type { Confirmation } from '../confirmations.js'
import type { CallOptions } from '../requests.js'
import type { Tasks } from '../tasks.js'

/** A question of any kind. */
export interface Question extends Omit<Confirmation, 'answer' | 'kind' | 'data'> {
  readonly kind: string | null
  readonly data?: unknown
  answer (answer?: unknown, feedback?: string): Promise<void>
}

/** The part of a client that the elements use, for any contract. */
export interface ElementClient {
  readonly confirmations: {
    readonly list: readonly Question[]
    on (event: 'change', listener: (list: readonly Question[]) => unknown): () => void
  }
  readonly tasks: Pick<Tasks, 'get' | 'on'>
  readonly serverNow: number
  /** Another user, the first one, or null: signed out. */
  on (event: 'user', listener: (me: unknown) => unknown): () => void
  call (type: string, data?: object, options?: CallOptions): Promise<unknown>
}
