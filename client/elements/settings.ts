import type { ElementClient } from './element-client.js'
import type { TextChanges } from './texts.js'

/** Sanitizes HTML of the server, such as `(html) => DOMPurify.sanitize(html, { RETURN_TRUSTED_TYPE: true })`. */
export type Sanitize = (html: string) => string | Node | { toString (): string }

/** Settings of all elements; an element can have its own. */
export interface ElementOptions {
  /** The client; an element can have another as its property `client`. Default: none. */
  client?: ElementClient | null
  /** Texts in place of the English ones; an element can have others as its property `texts`. */
  texts?: TextChanges
  /** For `<ws-fragment>` in browsers without `Element.setHTML`. Without it, HTML is shown as text there. */
  sanitize?: Sanitize | null
}

export interface Settings {
  client: ElementClient | null
  texts: TextChanges
  sanitize: Sanitize | null
}

let settings: Settings = { client: null, texts: {}, sanitize: null }
const listeners = new Set<() => void>()

/** The settings of the page. */
export function currentSettings (): Settings {
  return settings
}

/** Changes the given settings, and restarts the elements of the page. */
export function changeSettings (changes: ElementOptions): void {
  const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined))
  const isNew = Object.entries(given).some(([name, value]) => settings[name as keyof Settings] !== value)
  if (!isNew) return
  settings = { ...settings, ...given } as Settings
  for (const listener of [...listeners]) listener()
}

/** Calls the listener after each change. Returns a function that removes it. */
export function onSettings (listener: () => void): () => void {
  listeners.add(listener)
  return () => { listeners.delete(listener) }
}
