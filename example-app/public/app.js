import { Announcements } from './announcements.js'
import { ChatPanel } from './chat-panel.js'
import { Connection } from './connection.js'
import { ConnectionView } from './connection-view.js'
import { Identity } from './identity.js'
import { clearErrors, showError } from './notices.js'
import { QuestionBoard } from './question-board.js'
import { Session } from './session.js'
import { SignInForm } from './sign-in-form.js'
import { TaskBoard } from './task-board.js'

const EXPIRED = 'Your session is no longer valid. Sign in again to continue.'

const session = new Session({ onExpired: () => leave(EXPIRED) })
const identity = new Identity()
const connection = new Connection({
  state: showState,
  frame: dispatch,
  // A 401 of this call ends the session; any other answer leaves the next attempt to come.
  refused: () => session.call('GET', '/me').catch(() => {}),
  unauthorized: () => leave(EXPIRED)
})
const connectionView = new ConnectionView({ onRetry: () => connection.retry() })
const signIn = new SignInForm({ session, onSignedIn: enter })
const announcements = new Announcements({ session })
const chat = new ChatPanel({ connection, session })
const tasks = new TaskBoard({
  session,
  identity,
  now: () => connection.serverNow,
  onCard: (taskId) => questions.adopt(taskId)
})
const questions = new QuestionBoard({ connection, identity, placeOf: (taskId) => tasks.questionPlace(taskId) })

const ignored = () => {}
const frames = {
  ...tasks.frames,
  ...questions.frames,
  ...chat.frames,
  ...announcements.frames,
  connection: connected,
  error: (frame, isAnswer) => { if (!isAnswer) showError(`The server refused a frame: ${frame.message}`) },
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
  connection.open(session.token)
}

function leave (notice) {
  session.close()
  connection.close()
  for (const part of [tasks, questions, chat, announcements, identity]) part.reset()
  clearErrors()
  document.getElementById('account').hidden = true
  document.getElementById('workspace').hidden = true
  signIn.show(notice)
}

function showState (state) {
  connectionView.show(state)
  if (state.name === 'connected' || state.name === 'connecting') return
  questions.disconnected()
  chat.disconnected()
  if (!tasks.isLoaded) tasks.load()
}

// The first frame of a connection, and the answer to a request for it.
function connected ({ data }, isAnswer) {
  if (isAnswer) return
  identity.learn(data)
  tasks.load()
  questions.connected()
  chat.connected()
}

function dispatch (frame, isAnswer) {
  const handle = Object.hasOwn(frames, frame.type) ? frames[frame.type] : null
  if (handle) handle(frame, isAnswer)
  else console.debug('Ignored a frame of unknown type', frame)
}
