import { hideBar, showBar } from './bars.js'
import { ws } from './client.js'
import { byId, handle } from './dom.js'
import { api, session } from './session.js'

const STORAGE_KEY = 'realtime-example.announcements'
const MAX_SHOWN = 3

/** Shows announcements until they are dismissed, also after a reload; an administrator can make them. */
export function startAnnouncements () {
  const form = byId('announcement-form')
  const result = byId('announcement-result')
  let shown = JSON.parse(sessionStorage.getItem(STORAGE_KEY) ?? '[]')
  const keep = (changed) => {
    shown = changed
    sessionStorage.setItem(STORAGE_KEY, JSON.stringify(shown))
  }
  const show = ({ id, text }) => {
    showBar(id, text, { kind: 'announcement', label: 'Announcement', onClose: () => keep(shown.filter((other) => other.id !== id)) })
  }
  const off = ws.all.on('demo.announcement', ({ text, stream: { epoch, offset } }) => {
    const id = `${epoch}:${offset}`
    show({ id, text })
    for (const old of shown.slice(0, -MAX_SHOWN + 1)) hideBar(old.id)
    // After a reload the last one may come again.
    keep([...shown.filter((other) => other.id !== id), { id, text }].slice(-MAX_SHOWN))
  })
  shown.forEach(show)
  byId('admin').hidden = !session.roles.includes('ws:admin')
  handle(form, 'submit', async () => {
    const { value } = form.elements.text
    result.textContent = ''
    try {
      const { localRecipients: count } = await api('POST', '/ws/broadcast', { message: { type: 'demo.announcement', text: value.trim() } })
      result.textContent = `Sent to ${count} ${count === 1 ? 'socket' : 'sockets'} of this server.`
      form.reset()
    } catch (error) {
      result.textContent = `Not sent. ${error.message}`
    }
  })
  return () => {
    off()
    sessionStorage.removeItem(STORAGE_KEY)
    form.reset()
    result.textContent = ''
  }
}
