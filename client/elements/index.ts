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
 * Makes `<ws-confirmations>`, `<ws-task>` and `<ws-fragment>` known to the page, and tells them their client. Called again, it changes what
 * it is given. Does nothing where there is no page, as on a server.
 */
export function defineElements (options: ElementOptions = {}): void {
  if (globalThis.customElements === undefined) return
  changeSettings(options)
  for (const [name, element] of Object.entries(elements)) {
    // Another copy of this module may have been first.
    if (customElements.get(name) === undefined) customElements.define(name, element)
  }
}
