import { defineElements } from './client/elements/index.js'
import { startAnnouncements } from './announcements.js'
import { hideAllBars, showFailure } from './bars.js'
import { startChat } from './chat.js'
import { ws } from './client.js'
import { byId, handle } from './dom.js'
import { startQuestions } from './questions.js'
import { endSession, session, signIn } from './session.js'
import { startStatus } from './status.js'
import { startTasks } from './tasks.js'

const EXPIRED = 'Your session is no longer valid. Sign in again to continue.'
// The server's own text names fields and patterns, which is for developers.
const BAD_NAME = 'A name begins with a letter and has at most 32 letters, digits, hyphens and underscores.'

const form = byId('login-form')
const { username } = form.elements
let stops = []

defineElements({
  client: ws,
  texts: { answer: 'Continue', decline: 'Stop', ended: (question) => `Answered in another window, or no longer open: ${question}` }
})
startStatus()
ws.on('status', (status) => { if (status === 'signed-out' && session !== null) leave(EXPIRED) })
ws.on('error', ({ error, where }) => {
  console.warn(where, error)
  if (ws.status === 'connected' && session !== null) showFailure(`Something did not work: ${error.message}`)
})
byId('sign-out').onclick = () => leave()
window.onhashchange = showView
showView()

form.oninput = () => showSignInError('')
handle(form, 'submit', async () => {
  try {
    await signIn(username.value.trim())
    enter()
  } catch (error) {
    showSignInError(error.status === 400 ? BAD_NAME : `You could not be signed in. ${error.message}`)
    username.focus()
  }
})

if (session === null) leave()
else enter()

function enter () {
  show(true)
  byId('user-name').textContent = session.user_id
  stops = [startAnnouncements(), startQuestions(), startTasks(), startChat()]
  ws.connect()
  // The form that had the focus is gone.
  byId('questions-title').focus({ preventScroll: true })
}

function leave (notice = '') {
  endSession()
  for (const stop of stops.splice(0)) stop()
  ws.signOut()
  hideAllBars()
  show(false)
  form.reset()
  showSignInError('')
  byId('sign-in-notice').hidden = notice === ''
  byId('sign-in-notice').textContent = notice
  username.focus()
}

function show (isSignedIn) {
  byId('sign-in').hidden = isSignedIn
  byId('account').hidden = byId('workspace').hidden = !isSignedIn
}

function showSignInError (text) {
  byId('sign-in-error').textContent = text
  username.ariaInvalid = text === '' ? null : 'true'
}

/** Where there is room for one of the two views only, the address says which; links without a script go there. */
function showView () {
  for (const link of document.querySelectorAll('.views a')) link.ariaCurrent = (link.hash === '#chat') === (location.hash === '#chat') ? 'true' : null
}
