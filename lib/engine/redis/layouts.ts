import type { FastifyBaseLogger } from 'fastify'
import { InvalidOptionError } from '../../errors.js'
import { version } from '../../version.js'
import type { Commands } from './commands.js'
import type { Keys } from './keys.js'
import { LAYOUT, LAYOUTS } from './wire.js'

/** The first layout whose messages say where in its lane they were published. */
const MARKED = 2

/** The layout in which a node writes: one that all nodes on its Redis understand. */
export class Layouts {
  readonly #log: FastifyBaseLogger
  readonly #named = new Set<string>()
  #isMarked = false

  constructor (log: FastifyBaseLogger) {
    this.#log = log
  }

  /** The layout that is named before a publication; '' while a node is there that would not understand that. */
  get mark (): string {
    return this.#isMarked ? LAYOUT : ''
  }

  /**
   * The lease is renewed.
   *
   * @param lowest the layout that all nodes with a lease know
   * @param isCertain whether the others would have a lease if they were there
   */
  renewed (lowest: number, isCertain: boolean): void {
    if (lowest < MARKED) this.#isMarked = false
    else if (isCertain) this.#isMarked = true
  }

  /** Something came from a node. Those of layout 1 do not say which one they know. */
  heard (layout: string | undefined): void {
    if (layout === undefined) this.#isMarked = false
  }

  /** A message came that this node does not understand: its layout is named, once. */
  strange (layout: string): void {
    if (this.#named.has(layout)) return
    this.#named.add(layout)
    this.#log.error({ layout, known: LAYOUTS },
      `ignoring messages of layout ${layout}, which a node of a later version sends; this version (${version}) knows layouts ${LAYOUTS.join(' and ')}`)
  }
}

/** @throws WSM_ERR_INVALID_OPTION where all nodes were of a later version already, WSM_ERR_UNAVAILABLE */
export async function refuseUnknownLayout (commands: Commands, keys: Keys): Promise<void> {
  const used = await commands.call('hget', keys.layouts, 'used') as string | null
  if (used === null || LAYOUTS.includes(used)) return
  throw new InvalidOptionError('engine', `cannot read the keys under this prefix of Redis: they have layout ${used}, of a later version; ` +
    `version ${version} knows layouts ${LAYOUTS.join(' and ')}. Start the later version, or choose another prefix`)
}
