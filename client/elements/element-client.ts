import type { Confirmation } from '../confirmations.js'
import type { CallOptions } from '../requests.js'
import type { Tasks } from '../tasks.js'

/** A question of whatever kind. */
export interface Question extends Omit<Confirmation, 'answer' | 'kind' | 'data'> {
  readonly kind: string | null
  readonly data?: unknown
  answer (answer?: unknown, feedback?: string): Promise<void>
}

/** What the elements use of a client, whatever its contract is. */
export interface ElementClient {
  readonly confirmations: {
    readonly list: readonly Question[]
    on (event: 'change', listener: (list: readonly Question[]) => unknown): () => void
  }
  readonly tasks: Pick<Tasks, 'get' | 'on'>
  readonly serverNow: number
  call (type: string, data?: object, options?: CallOptions): Promise<unknown>
}
