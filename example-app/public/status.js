import { hideBar, showBar } from './bars.js'
import { ws } from './client.js'
import { byId } from './dom.js'

const LABELS = { connecting: 'Connecting…', connected: 'Connected', reconnecting: 'Reconnecting…', restarting: 'Server restarts…', offline: 'Offline' }
/** A loss that heals by then is not worth a bar. */
const BAR_AFTER_MS = 3_000

let timer

/** Shows how the connection is, and what it costs. */
export function startStatus () {
  ws.on('status', (status, { reason = '' }) => {
    byId('connection-state').dataset.state = status
    byId('connection-text').textContent = LABELS[status] ?? 'Not connected'
    clearTimeout(timer)
    // Another socket, perhaps of another server, says how it is there.
    if (status !== 'connected') hideBar('availability-notice')
    if (status === 'connected' || status === 'signed-out') hideBar('connection-notice')
    else if (status === 'offline') tell('You are offline. What you see may be out of date.')
    else if (status === 'closed') tell(`The connection is closed: ${reason}.`, ['Connect again', () => ws.connect()])
    else timer = setTimeout(() => tell('The connection is lost. What you see may be out of date.'), BAR_AFTER_MS)
  })
  ws.on('availability', ({ available, degraded }) => {
    if (available && !degraded) hideBar('availability-notice')
    else showBar('availability-notice', 'Part of the service is out of reach. You stay connected; what you send now may be refused.')
  })
  ws.all.on('gap', () => {
    showBar('recovery-notice', 'What was sent while you were away could not be recovered. Announcements may be missing.', { onClose: () => {} })
  })
}

function tell (text, action = null) {
  showBar('connection-notice', text, { action })
}
