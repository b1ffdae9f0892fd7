import { speak } from './notices.js'
import { stamp } from './template.js'

export class PresenceList {
  #session
  #channel
  #tabs = new Map()
  #list = document.getElementById('people')
  #count = document.getElementById('people-count')

  frames = {
    presence: (frame) => this.#here(frame, () => this.#begin(frame.users)),
    joined: (frame) => this.#here(frame, () => this.#join(frame.user_id)),
    left: (frame) => this.#here(frame, () => this.#leave(frame.user_id)),
    'chat.tabs': ({ user_id: userId, tabs }) => this.#change(userId, tabs)
  }

  constructor ({ session, channel }) {
    this.#session = session
    this.#channel = channel
  }

  // Who is there now is not known until the next `presence`.
  disconnected () {
    this.#list.dataset.stale = ''
    this.#count.hidden = true
  }

  reset () {
    this.#tabs.clear()
    this.#render()
  }

  #here ({ channel }, change) {
    if (channel !== this.#channel) return
    change()
    this.#render()
  }

  #begin (users) {
    delete this.#list.dataset.stale
    this.#tabs = new Map(users.filter(({ user_id: id }) => id !== null).map(({ user_id: id, client_ids: ids }) => [id, ids.length]))
  }

  #join (userId) {
    if (this.#tabs.has(userId)) return
    this.#tabs.set(userId, 1)
    this.#tell(userId, 'is in the chat')
  }

  #leave (userId) {
    if (this.#tabs.delete(userId)) this.#tell(userId, 'has left the chat')
  }

  // Only of somebody who is there: a number can be late, and would bring back who has left.
  #change (userId, tabs) {
    if (!this.#tabs.has(userId)) return
    this.#tabs.set(userId, tabs)
    this.#render()
  }

  #tell (userId, what) {
    if (userId !== this.#session.userId) speak(`${userId} ${what}`)
  }

  #render () {
    const self = this.#session.userId
    const names = [...this.#tabs.keys()].sort((one, other) => (other === self) - (one === self) || one.localeCompare(other))
    this.#list.hidden = names.length === 0
    this.#count.hidden = this.#list.hidden || 'stale' in this.#list.dataset
    this.#count.textContent = `${names.length} here`
    this.#list.replaceChildren(...names.map((name) => this.#person(name, name === self)))
    // Only where there is something to scroll, the keyboard needs to get there.
    if (this.#list.scrollHeight > this.#list.clientHeight) this.#list.tabIndex = 0
    else this.#list.removeAttribute('tabindex')
  }

  #person (name, isSelf) {
    const { root, parts } = stamp('person-template')
    const tabs = this.#tabs.get(name)
    parts.name.textContent = parts.name.title = name
    root.dataset.user = name
    parts.self.hidden = !isSelf
    parts.tabs.hidden = tabs < 2
    parts.tabs.textContent = `${tabs} tabs`
    return root
  }
}
