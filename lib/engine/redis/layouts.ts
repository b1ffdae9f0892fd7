import type { FastifyBaseLogger } from 'fastify'
import { InvalidOptionError } from '../../errors.js'
import { version } from '../../version.js'
import type { Commands } from './commands.js'
import type { Keys } from './keys.js'
import { LAYOUT, LAYOUTS } from './wire.js'

/** First layout whose messages carry their position in the lane. */
const MARKED = 2

/** The layout in which a node writes: one that all nodes on its Redis understand. */
export class Layouts {
  readonly #log: FastifyBaseLogger
  readonly #reported = new Set<string>()
  #isMarked = false

  constructor (log: FastifyBaseLogger) {
    this.#log = log
  }

  /** Layout prefix of a publication; '' while a node is present that would not understand it. */
  get mark (): string {
    return this.#isMarked ? LAYOUT : ''
  }

  /**
   * Called when the lease is renewed.
   *
   * @param lowest layout known to all nodes with a lease
   * @param isCertain true if every live node certainly has a lease
   */
  renewed (lowest: number, isCertain: boolean): void {
    if (lowest < MARKED) this.#isMarked = false
    else if (isCertain) this.#isMarked = true
  }

  /** Called for every message of a node. Those of layout 1 do not name their layout. */
  heard (layout: string | undefined): void {
    if (layout === undefined) this.#isMarked = false
  }

  /** Logs the layout of a message that this node does not understand, once per layout. */
  reportUnknown (layout: string): void {
    if (this.#reported.has(layout)) return
    this.#reported.add(layout)
    this.#log.error({ layout, known: LAYOUTS },
      `ignoring messages of layout ${layout}, which a node of a later version sends; this version (${version}) knows layouts ${LAYOUTS.join(' and ')}`)
  }
}

/** @throws WSM_ERR_INVALID_OPTION if all nodes were once of a later version, WSM_ERR_UNAVAILABLE */
export async function refuseUnknownLayout (commands: Commands, keys: Keys): Promise<void> {
  const used = await commands.call('hget', keys.layouts, 'used') as string | null
  if (used === null || LAYOUTS.includes(used)) return
  throw new InvalidOptionError('engine', `cannot read the keys under this prefix of Redis: they have layout ${used}, of a later version; ` +
    `version ${version} knows layouts ${LAYOUTS.join(' and ')}. Start the later version, or choose another prefix`)
}
