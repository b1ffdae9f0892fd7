import { changeSettings, type ElementOptions } from './settings.js'
import { WsConfirmationsElement } from './ws-confirmations.js'
import { WsFragmentElement } from './ws-fragment.js'
import { WsTaskElement } from './ws-task.js'

export type { ElementClient, Question } from './element-client.js'
export type { ElementOptions, Sanitize } from './settings.js'
export type { TextChanges, Texts } from './texts.js'
export { WsConfirmationsElement, WsFragmentElement, WsTaskElement }

declare global {
  interface HTMLElementTagNameMap {
    'ws-confirmations': WsConfirmationsElement
    'ws-task': WsTaskElement
    'ws-fragment': WsFragmentElement
  }
}

const elements = { 'ws-confirmations': WsConfirmationsElement, 'ws-task': WsTaskElement, 'ws-fragment': WsFragmentElement }

/**
 * Defines `<ws-confirmations>`, `<ws-task>` and `<ws-fragment>`, and sets their client, texts and sanitizer. Called again, it changes only the
 * settings that it is given. Does nothing without a page, as on a server.
 */
export function defineElements (options: ElementOptions = {}): void {
  if (globalThis.customElements === undefined) return
  changeSettings(options)
  for (const [name, element] of Object.entries(elements)) {
    // Another copy of this module may have been first.
    if (customElements.get(name) === undefined) customElements.define(name, element)
  }
}
