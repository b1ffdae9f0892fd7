import { langOf } from './dom.js'
import type { ElementClient } from './element-client.js'
import { currentSettings, onSettings, type Settings } from './settings.js'
import { sheet } from './style.js'
import { changeTexts, english, type TextChanges, type Texts } from './texts.js'

/** Without a page, as on a server, the classes can still be imported. */
const Base = (globalThis.HTMLElement ?? class {}) as typeof HTMLElement

/** Base of all elements: a shadow root, the client, texts, language and time zone. */
export abstract class WsElement extends Base {
  protected readonly root: ShadowRoot
  #client: ElementClient | null = null
  #changes: TextChanges = {}
  #texts: Texts | null = null
  #offs: (() => void)[] = []
  #isPlanned = false
  #stopStarted: (() => void) | null = null
  #surroundings: { settings: Settings, changes: TextChanges, language: string, timeZone: string } | null = null

  constructor () {
    super()
    this.root = this.attachShadow({ mode: 'open' })
    this.root.adoptedStyleSheets = [sheet()]
  }

  /** The client; default: the one that `defineElements` was given. */
  get client (): ElementClient | null {
    return this.#client ?? currentSettings().client
  }

  set client (client: ElementClient | null) {
    this.#client = client
    this.#restart()
  }

  /** Texts of this element in place of those that `defineElements` was given. */
  get texts (): TextChanges {
    return this.#changes
  }

  set texts (changes: TextChanges) {
    this.#changes = changes
    this.#restart()
  }

  connectedCallback (): void {
    // Properties that a framework has set before the element was defined hide the accessors.
    for (const name of ['client', 'texts', 'data', 'sanitize']) upgrade(this, name)
    this.#offs.push(onSettings(() => this.#restart()))
    this.#start()
  }

  disconnectedCallback (): void {
    this.#stop()
    for (const off of this.#offs.splice(0)) off()
  }

  attributeChangedCallback (_name: string, before: string | null, now: string | null): void {
    if (before !== now) this.#restart()
  }

  protected get words (): Texts {
    this.#texts ??= changeTexts(english, currentSettings().texts, this.#changes)
    return this.#texts
  }

  protected get language (): string {
    return langOf(this)
  }

  /** The attribute `time-zone`, or the time zone of the device. */
  protected get timeZone (): string {
    const device = new Intl.DateTimeFormat().resolvedOptions().timeZone
    const wanted = this.getAttribute('time-zone')
    if (wanted === null) return device
    try {
      return new Intl.DateTimeFormat('en', { timeZone: wanted }).resolvedOptions().timeZone
    } catch {
      return device
    }
  }

  /**
   * Fills the shadow root and listens to the client; returns a function that ends that. Called again after each change of a setting, and when the
   * element is moved in the page.
   *
   * @param isSame the settings are those of the last time: the element was only moved
   */
  protected abstract start (client: ElementClient | null, isSame: boolean): () => void

  #start (): void {
    const { language, timeZone } = this
    const surroundings = { settings: currentSettings(), changes: this.#changes, language, timeZone }
    const before = this.#surroundings
    const isSame = before !== null && Object.entries(surroundings).every(([name, value]) => before[name as keyof typeof before] === value)
    if (!isSame) this.#texts = null
    this.#surroundings = surroundings
    this.#stopStarted = this.start(this.client, isSame)
  }

  #stop (): void {
    this.#stopStarted?.()
    this.#stopStarted = null
  }

  /** Restarts once for all changes of one turn. */
  #restart (): void {
    this.#surroundings = null
    if (this.#isPlanned || this.#stopStarted === null) return
    this.#isPlanned = true
    queueMicrotask(() => {
      this.#isPlanned = false
      if (this.#stopStarted === null) return
      this.#stop()
      this.#start()
    })
  }
}

function upgrade (element: object, name: string): void {
  const value: unknown = Object.getOwnPropertyDescriptor(element, name)?.value
  if (value === undefined) return
  Reflect.deleteProperty(element, name)
  Reflect.set(element, name, value)
}
