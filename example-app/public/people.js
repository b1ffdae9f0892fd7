import { byId, el } from './dom.js'
import { session } from './session.js'

/** Shows who is in the chat, and in how many tabs. `isCurrent`: false while that may have changed. */
export function showPeople (users, tabs, isCurrent) {
  const list = byId('people')
  const self = session?.user_id
  const names = [...users].sort((one, other) => (other === self) - (one === self) || one.localeCompare(other))
  list.hidden = names.length === 0
  list.classList.toggle('stale', !isCurrent)
  byId('people-count').textContent = isCurrent && names.length > 0 ? `${names.length} here` : ''
  list.replaceChildren(...names.map((name) => el('li', { class: 'person', 'data-testid': 'person' },
    el('span', { class: 'person-name', title: name, 'data-part': 'name' }, name),
    ...name === self ? [' ', el('span', { class: 'muted', 'data-part': 'self' }, 'you')] : [],
    ...tabs.get(name) > 1 ? [' ', el('span', { class: 'muted', 'data-part': 'tabs' }, `${tabs.get(name)} tabs`)] : [])))
}
