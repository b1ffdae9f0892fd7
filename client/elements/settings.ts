import type { ElementClient } from './element-client.js'
import type { TextChanges } from './texts.js'

/** Makes HTML of the server harmless, such as `(html) => DOMPurify.sanitize(html, { RETURN_TRUSTED_TYPE: true })`. */
export type Sanitize = (html: string) => string | Node | { toString (): string }

/** What elements have in common that are not told otherwise. */
export interface ElementOptions {
  /** The client of all elements; one can have another one as its property `client`. */
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

/** Changes what is given, and tells the elements of the page. */
export function changeSettings (changes: ElementOptions): void {
  const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined))
  const isNew = Object.entries(given).some(([name, value]) => settings[name as keyof Settings] !== value)
  if (!isNew) return
  settings = { ...settings, ...given } as Settings
  for (const listener of [...listeners]) listener()
}

/** Calls the listener after each change. Returns a function that takes it away. */
export function onSettings (listener: () => void): () => void {
  listeners.add(listener)
  return () => { listeners.delete(listener) }
}
