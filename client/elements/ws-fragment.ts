import { WsError } from '../errors.js'
import { h, setAttribute, setText } from './dom.js'
import type { ElementClient } from './element-client.js'
import { WsElement } from './element.js'
import { currentSettings, type Sanitize } from './settings.js'

/** The safe method of the Sanitizer API, where the browser has it. */
type Sanitizing = HTMLElement & { setHTML?: (html: string) => void }

/**
 * `<ws-fragment src="reports.summary" data-month="11">Loading …</ws-fragment>`: HTML that a handler of the server renders; the call's reply
 * is the HTML, or has it as `html`. Until it comes, the element's own content is shown; when it fails, a text and a button to try again.
 *
 * The call's data are the `data-…` attributes (texts, by their names in `dataset`), and over these the JSON of the attribute `data`, or the
 * object of the property `data`. HTML goes through `Element.setHTML`, or where the browser has none through `sanitize`; without both it is
 * shown as text.
 *
 * Attributes: `src`, `data`, `data-…`, `lang`. Events: `ws-load`, and `ws-error` with the error as `detail`.
 */
export class WsFragmentElement extends WsElement {
  static readonly observedAttributes = ['src', 'data', 'lang']
  readonly #placeholder = h('slot')
  readonly #waiting = h('div', { part: 'placeholder', role: 'status' }, this.#placeholder)
  readonly #content = h('div', { part: 'content' }, h('slot', { name: 'content' }))
  readonly #message = h('p', { class: 'error', part: 'alert', role: 'alert' })
  readonly #retry = h('button', { type: 'button', part: 'button retry' })
  readonly #failure = h('div', { class: 'card', part: 'failure' }, h('slot', { name: 'error' }, this.#message), h('div', { class: 'buttons' }, this.#retry))
  readonly #observer: MutationObserver
  #data: object | null = null
  #sanitize: Sanitize | null = null
  #loading: AbortController | null = null

  constructor () {
    super()
    this.#retry.addEventListener('click', () => { this.reload() })
    this.#observer = new MutationObserver((changes) => { if (changes.some(({ attributeName }) => attributeName?.startsWith('data-') === true)) this.reload() })
  }

  /** Data of the call, over those of the attributes. */
  get data (): object | null {
    return this.#data
  }

  set data (data: object | null) {
    this.#data = data
    if (this.isConnected) this.reload()
  }

  /** Sanitizer for browsers without `Element.setHTML`. Default: that of `defineElements`. */
  get sanitize (): Sanitize | null {
    return this.#sanitize ?? currentSettings().sanitize
  }

  set sanitize (sanitize: Sanitize | null) {
    this.#sanitize = sanitize
  }

  /** Loads the HTML again. The old one stays until then. */
  async reload (): Promise<void> {
    this.#loading?.abort()
    const { client } = this
    const src = this.getAttribute('src')
    if (client === null || src === null || src === '') return
    const { signal } = this.#loading = new AbortController()
    const hadFocus = this.root.activeElement === this.#retry
    this.#show('loading')
    try {
      const html = htmlOf(await client.call(src, this.#callData(), { signal }), src)
      if (signal.aborted) return
      this.#put(html)
      this.#show('loaded')
      this.dispatchEvent(new CustomEvent('ws-load', { bubbles: true, composed: true }))
    } catch (error) {
      if (signal.aborted) return
      const failure = error instanceof WsError ? error : new WsError('bad_answer', String(error))
      this.#show('failed')
      setText(this.#message, this.words.notLoaded(failure))
      if (hadFocus) this.#retry.focus()
      this.dispatchEvent(new CustomEvent('ws-error', { bubbles: true, composed: true, detail: error }))
    }
  }

  protected start (client: ElementClient | null, isSame: boolean): () => void {
    this.#placeholder.textContent = this.words.loading
    setText(this.#retry, this.words.retry)
    this.root.append(this.#waiting, this.#content, this.#failure)
    const isLoaded = isSame && this.#target !== null
    this.#show(isLoaded ? 'loaded' : 'loading')
    this.#observer.observe(this, { attributes: true })
    if (client !== null && !isLoaded) this.reload()
    // The content may be meant for one user alone.
    const off = client?.on('user', () => {
      this.#target?.remove()
      this.reload()
    })
    return () => {
      off?.()
      this.#observer.disconnect()
      this.#loading?.abort()
    }
  }

  #show (state: 'loading' | 'loaded' | 'failed'): void {
    const hasContent = this.#target !== null
    this.#waiting.hidden = state !== 'loading' || hasContent
    this.#content.hidden = !hasContent || state === 'failed'
    this.#failure.hidden = state !== 'failed'
    if (state !== 'failed') setText(this.#message, '')
    setAttribute(this.#content, 'aria-busy', state === 'loading' ? 'true' : null)
  }

  get #target (): Sanitizing | null {
    return this.querySelector<HTMLElement>(':scope > [slot=content]')
  }

  /** The HTML is in the page's own tree, so that the page's styles apply to it. */
  #put (html: string): void {
    const target: Sanitizing = h('div', { slot: 'content' })
    const { sanitize } = this
    if (typeof target.setHTML === 'function') target.setHTML(html)
    else if (sanitize === null) target.textContent = html
    else setSanitized(target, sanitize(html))
    this.#target?.remove()
    this.append(target)
  }

  #callData (): object {
    const json = this.getAttribute('data')
    return { ...this.dataset, ...json === null ? {} : JSON.parse(json) as object, ...this.#data }
  }
}

function setSanitized (target: HTMLElement, safe: ReturnType<Sanitize>): void {
  if (safe instanceof Node) target.replaceChildren(safe)
  // A TrustedHTML stays one, for pages that require it.
  else target.innerHTML = safe as string
}

function htmlOf (reply: unknown, src: string): string {
  if (typeof reply === 'string') return reply
  const { html } = (reply ?? {}) as { html?: unknown }
  if (typeof html !== 'string') throw new WsError('bad_answer', `The reply to "${src}" is no HTML: it must be a string, or an object with a string "html"`)
  return html
}
