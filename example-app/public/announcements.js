import { showFailure } from './notices.js'
import { stamp } from './template.js'

const MAX_SHOWN = 3

export class Announcements {
  #session
  #list = document.getElementById('announcements')
  #panel = document.getElementById('admin')
  #form = document.getElementById('announcement-form')
  #input = document.getElementById('announcement-input')
  #button = document.getElementById('announcement-send')
  #result = document.getElementById('announcement-result')

  frames = {
    'demo.announcement': ({ text }) => this.#show(text)
  }

  constructor ({ session }) {
    this.#session = session
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault()
      this.#send()
    })
  }

  // Oldest first, as they came.
  get snapshot () {
    return [...this.#list.querySelectorAll('[data-part="text"]')].map(({ textContent }) => textContent).reverse()
  }

  restore (texts) {
    for (const text of texts) this.#show(text)
  }

  enter () {
    this.#panel.hidden = !this.#session.isAdmin
  }

  reset () {
    this.#panel.hidden = true
    this.#list.replaceChildren()
    this.#form.reset()
    this.#result.textContent = ''
  }

  #show (text) {
    const { root, parts } = stamp('announcement-template')
    parts.text.textContent = text
    parts.close.addEventListener('click', () => root.remove())
    this.#list.prepend(root)
    while (this.#list.children.length > MAX_SHOWN) this.#list.lastElementChild.remove()
  }

  async #send () {
    const text = this.#input.value.trim()
    if (!text || this.#button.ariaDisabled === 'true') return
    this.#button.ariaDisabled = 'true'
    this.#result.textContent = ''
    try {
      const message = { type: 'demo.announcement', text }
      const { localRecipients } = await this.#session.call('POST', '/ws/broadcast', { message })
      this.#result.textContent = `Sent to ${localRecipients} ${localRecipients === 1 ? 'socket' : 'sockets'} of this server`
      this.#form.reset()
    } catch (error) {
      showFailure('The announcement was not sent', error)
    } finally {
      this.#button.ariaDisabled = 'false'
    }
  }
}
