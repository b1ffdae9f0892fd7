/* The page of hooks.test.ts: what each part of it renders is text. */
import { StrictMode, createElement as h, startTransition, useLayoutEffect, useState } from '/react/react.js'
import { createRoot, hydrateRoot } from '/react/react-dom-client.js'
import { renderToString } from '/react/react-dom-server.js'
import { createClient } from '/dist/client/index.js'
import { createHooks } from '/dist/client/react/index.js'

const client = createClient({ url: '/ws', getToken: () => new URLSearchParams(window.location.search).get('token') })
const { WsProvider, useCall, useChannel, useConfirmations, usePresence, useStatus, useTask, useTasks } = createHooks()
const failures = []
client.on('message', ({ text }) => { window.latest = text })
client.on('error', ({ error, where }) => { failures.push(`${where}: ${error}`) })

const Text = ({ id, children }) => h('p', { id }, children)
const Button = ({ id, onClick }) => h('button', { id, onClick }, id)

function Room ({ name, id }) {
  const [lines, setLines] = useState([])
  const [step, setStep] = useState(1)
  const on = { 'chat.message': ({ text }) => { setLines((lines) => [...lines, `${text} in step ${step}`]) } }
  const { status, error, call } = useChannel(name, { on: step === 3 ? {} : on })
  return h('section', null,
    h(Text, { id: `${id}-status` }, error === null ? status : `${status}: ${error.code}`),
    h(Text, { id: `${id}-lines` }, lines.join(', ')),
    h(Button, { id: `${id}-step`, onClick: () => setStep(step + 1) }),
    h(Button, { id: `${id}-say`, onClick: () => { call('chat.say', { text: 'said' }) } }))
}

function State () {
  const [lines, setLines] = useState([])
  useChannel('room-2', {
    getState: async () => ({ state: ['the state'] }),
    onState: setLines,
    onMessage: ({ type, text }) => { setLines((lines) => [...lines, `${type} ${text}`]) }
  })
  return h(Text, { id: 'state' }, lines.join(', '))
}

const People = () => h(Text, { id: 'people' }, [...usePresence('room-1')].sort().join(', '))

function Order () {
  const { call, isPending, error, data } = useCall('orders.place')
  return h('section', null,
    h(Text, { id: 'order' }, JSON.stringify({ isPending, error: error?.code ?? null, data: data ?? null })),
    h(Button, { id: 'place', onClick: () => { call({ article: 'book' }) } }),
    h(Button, { id: 'misplace', onClick: () => { call({ article: 7 }) } }))
}

function Questions () {
  const list = useConfirmations()
  return h('section', null,
    h(Text, { id: 'questions' }, list.map(({ question }) => question).join(', ')),
    h(Button, { id: 'yes', onClick: () => { list[0].answer() } }))
}

const torn = []
/** Takes its time, so that a change can come while it renders. */
function Slow ({ id }) {
  const from = performance.now()
  while (performance.now() - from < 5);
  const progress = useTask(id)?.progress ?? 0
  return h('b', { className: 'slow' }, progress)
}

function Progress ({ id }) {
  useLayoutEffect(() => {
    const shown = new Set([...document.querySelectorAll('.slow')].map(({ textContent }) => textContent))
    if (shown.size > 1) torn.push([...shown].join(' and '))
  })
  return h('section', null, Array.from({ length: 20 }, (_, i) => h(Slow, { id, key: i })))
}

const Tasks = () => h(Text, { id: 'tasks' }, useTasks().map(({ title, status, progress }) => `${title} ${status} ${progress}`).join(', '))

function App () {
  const [view, setView] = useState('room')
  const { status } = useStatus()
  window.show = (view) => setView(view)
  window.showSlowly = (view) => startTransition(() => setView(view))
  return h('main', null, h(Text, { id: 'status' }, status), {
    room: () => [h(Room, { key: 'a', id: 'a', name: 'room-1' }), h(People, { key: 'b' })],
    rooms: () => [h(Room, { key: 'c', id: 'c', name: 'room-1' }), h(Room, { key: 'd', id: 'd', name: 'room-1' })],
    refused: () => h(Room, { id: 'e', name: 'secret' }),
    none: () => h(Room, { id: 'f', name: null }),
    state: () => h(State),
    order: () => h(Order),
    lists: () => [h(Questions, { key: 'a' }), h(Tasks, { key: 'b' })],
    nothing: () => null
  }[view]?.() ?? h(Progress, { id: view }))
}

Object.assign(window, { client, failures, torn })
const target = document.querySelector('#root')
const app = (client) => h(StrictMode, null, h(WsProvider, { client }, h(App)))
if (window.location.search.includes('hydrate')) {
  target.innerHTML = renderToString(app(null))
  window.rendered = target.textContent
  hydrateRoot(target, app(client), { onRecoverableError: (error) => { failures.push(`hydration: ${error}`) } })
} else {
  createRoot(target).render(app(client))
}
