import { Announcements } from './announcements.js'
import { AvailabilityNotice } from './availability-notice.js'
import { CHANNEL, ChatPanel, TOPIC as CHAT_TOPIC } from './chat-panel.js'
import { Connection } from './connection.js'
import { ConnectionView } from './connection-view.js'
import { Identity } from './identity.js'
import { clearErrors, showError } from './notices.js'
import { PresenceList } from './presence-list.js'
import { QuestionBoard } from './question-board.js'
import { RecoveryNotice } from './recovery-notice.js'
import { Session } from './session.js'
import { SignInForm } from './sign-in-form.js'
import { StreamPositions } from './stream-positions.js'
import { TabMemory } from './tab-memory.js'
import { TaskBoard } from './task-board.js'

const EXPIRED = 'Your session is no longer valid. Sign in again to continue.'
const REFRESH_AGAIN_MS = 5_000

const session = new Session({ onExpired: () => leave(EXPIRED) })
const identity = new Identity()
const positions = new StreamPositions()
const connection = new Connection({
  state: showState,
  frame: dispatch,
  // A 401 of this call ends the session; any other answer leaves the next attempt to come.
  refused: () => session.call('GET', '/me').catch(() => {}),
  unauthorized: () => leave(EXPIRED),
  positions: () => positions.snapshot
})
const connectionView = new ConnectionView({ onRetry: () => connection.retry() })
const signIn = new SignInForm({ session, onSignedIn: enter })
const announcements = new Announcements({ session })
const chat = new ChatPanel({ connection, session, positions })
const people = new PresenceList({ session, channel: CHANNEL })
const recoveryNotice = new RecoveryNotice()
const availability = new AvailabilityNotice()
const tasks = new TaskBoard({
  session,
  identity,
  onCard: (taskId) => questions.adopt(taskId)
})
const questions = new QuestionBoard({ connection, session, identity, placeOf: (taskId) => tasks.questionPlace(taskId) })
const memory = new TabMemory({ chat: chat.lines, announcements, positions })

const ignored = () => {}
const frames = {
  ...tasks.frames,
  ...questions.frames,
  ...chat.frames,
  ...people.frames,
  ...announcements.frames,
  connection: connected,
  availability: showAvailability,
  token_expiring: refreshToken,
  error: (frame, isAnswer) => { if (!isAnswer) showError(`The server refused a frame: ${frame.message}`) },
  gap: loadMissing,
  subscription_confirmed: ignored,
  reply: ignored
}

document.getElementById('sign-out').addEventListener('click', () => leave())
if (session.isOpen) enter()
else signIn.show()

function enter () {
  signIn.hide()
  document.getElementById('user-name').textContent = session.userId
  document.getElementById('account').hidden = false
  document.getElementById('workspace').hidden = false
  document.getElementById('tasks-title').focus({ preventScroll: true })
  announcements.enter()
  memory.open(session.userId)
  connection.open(session.token)
}

function leave (notice) {
  // Whoever must sign in again finds the page as it was.
  if (notice === EXPIRED) memory.save()
  else memory.clear()
  memory.close()
  session.close()
  connection.close()
  for (const part of [tasks, questions, chat, people, announcements, recoveryNotice, availability, identity, positions]) part.reset()
  clearErrors()
  document.getElementById('account').hidden = true
  document.getElementById('workspace').hidden = true
  signIn.show(notice)
}

function showState (state) {
  connectionView.show(state)
  if (state.name === 'connected') return
  // Another socket, perhaps of another server, says how it is there.
  availability.reset()
  if (state.name === 'connecting') return
  questions.disconnected()
  chat.disconnected()
  people.disconnected()
  if (!tasks.isLoaded) tasks.load()
}

// The first frame of a connection.
function connected ({ data }) {
  identity.learn(data)
  loadMissing()
  questions.connected()
  chat.connected()
}

function showAvailability ({ available, degraded }) {
  const isAll = available && !degraded
  availability.show(isAll)
  // How tasks ended meanwhile could not be sent.
  if (isAll) tasks.load()
}

// In time, or the server ends the socket with the token.
async function refreshToken () {
  try {
    await session.refresh()
    await connection.refresh(session.token)
  } catch (error) {
    console.warn('The token could not be refreshed', error)
    setTimeout(() => { if (session.isOpen && connection.isOpen) refreshToken() }, REFRESH_AGAIN_MS)
  }
}

function dispatch (frame, isAnswer) {
  // A list of the server may have been faster than the frame.
  if (positions.hasSeen(frame)) return
  for (const { topic, had } of positions.learn(frame)) restart(topic, had)
  const handle = Object.hasOwn(frames, frame.type) ? frames[frame.type] : null
  if (handle) handle(frame, isAnswer)
  else console.debug('Ignored a frame of unknown type', frame)
}

function restart (topic, had) {
  if (topic === CHAT_TOPIC) return chat.restart(had)
  if (had !== null) recoveryNotice.show()
  if (topic === 'all') return
  tasks.lost()
  questions.lost()
}

function loadMissing () {
  tasks.loadMissing()
  questions.loadMissing()
}
