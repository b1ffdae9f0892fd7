import { token } from '../load/dialects.mjs'
import { MESSAGE_TYPE, REQUEST, REQUEST_TYPE } from '../shared/payloads.mjs'

const USER = 'user-0'
const CHANNEL = 'channel-0'

/**
 * The clients, each as its guide begins, in the channel. Each resolves to its `call()` when it is ready; it tells what it gets by `got(seq)`,
 * and by `up()` that it is connected. Only the one that runs is loaded.
 */
export const kinds = {
  async 'fastify-ws-manager' ({ port, secret, got, up }) {
    const { createClient } = await import('../../dist/client/index.js')
    const client = createClient({ url: `http://127.0.0.1:${port}/ws`, getToken: () => token(secret, { sub: USER, channel: CHANNEL }) })
    client.on('status', (status) => { if (status === 'connected') up() })
    const room = client.channel(CHANNEL)
    room.on(MESSAGE_TYPE, ({ seq }) => got(seq))
    await new Promise((resolve) => room.on('status', (status) => { if (status === 'live') resolve() }))
    return () => client.call(REQUEST_TYPE, REQUEST)
  },
  async 'socket.io' ({ port, got, up }) {
    const { io } = await import('socket.io-client')
    const socket = io(`http://127.0.0.1:${port}`, { transports: ['websocket'], auth: { user: USER, channel: CHANNEL } })
    socket.on('connect', up)
    socket.on(MESSAGE_TYPE, ({ seq }) => got(seq))
    await new Promise((resolve) => socket.once('connect', resolve))
    return () => socket.emitWithAck(REQUEST_TYPE, REQUEST)
  },
  async centrifuge ({ port, got, up }) {
    const [{ Centrifuge }, { WebSocket }] = await Promise.all([import('centrifuge'), import('ws')])
    const client = new Centrifuge(`ws://127.0.0.1:${port}/connection/websocket`, { websocket: WebSocket })
    const subscription = client.newSubscription(CHANNEL, { positioned: true, recoverable: true })
    client.on('connected', up)
    subscription.on('publication', ({ data }) => got(data.seq))
    const subscribed = new Promise((resolve) => subscription.once('subscribed', resolve))
    subscription.subscribe()
    client.connect()
    await subscribed
    return () => client.rpc(REQUEST_TYPE, REQUEST)
  },
  /** The least that a client does: a socket, `JSON.parse`, one comparison. It does not reconnect. */
  async ws ({ port, got }) {
    const { WebSocket } = await import('ws')
    const socket = new WebSocket(`ws://127.0.0.1:${port}/?user=${USER}&channel=${CHANNEL}`)
    const waiting = new Map()
    let id = 0
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data)
      if (message.type === MESSAGE_TYPE) return got(message.seq)
      waiting.get(message.id)(message.data)
      waiting.delete(message.id)
    }
    await new Promise((resolve) => { socket.onopen = resolve })
    return () => new Promise((resolve) => {
      waiting.set(++id, resolve)
      socket.send(JSON.stringify({ type: REQUEST_TYPE, id, ...REQUEST }))
    })
  }
}
