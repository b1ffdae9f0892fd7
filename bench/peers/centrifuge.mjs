/*
 * As much of Centrifugo's JSON protocol as its browser client needs for the scenario `client`: connect, subscribe with recovery from a
 * history, publications with offsets, calls, pings. Centrifugo itself is no package of Node's; only its client is measured.
 */
import { createServer } from 'node:http'
import { WebSocketServer } from 'ws'
import { REQUEST_TYPE } from '../shared/payloads.mjs'
import { control } from './control.mjs'

const PING_EVERY_S = 25
const HISTORY_SIZE = 300
const EPOCH = 'bench'

/** By name: its members, and the publications that a client can still get. */
const channels = new Map()
const server = createServer()
const webSocketServer = new WebSocketServer({ server, perMessageDeflate: false })

webSocketServer.on('connection', (socket) => {
  const pings = setInterval(() => socket.send('{}'), PING_EVERY_S * 1000)
  socket.on('error', () => {})
  socket.on('close', () => {
    clearInterval(pings)
    for (const { members } of channels.values()) members.delete(socket)
  })
  socket.on('message', (data) => {
    const replies = String(data).split('\n').filter((line) => line !== '').map((line) => JSON.parse(line)).filter(({ id }) => id !== undefined).map((command) => answer(socket, command))
    if (replies.length > 0) socket.send(replies.map((reply) => JSON.stringify(reply)).join('\n'))
  })
})
server.listen({ host: '127.0.0.1', port: 0 }, () => control({
  port: server.address().port,
  channel: (name, data) => {
    const channel = channelOf(name)
    const publication = { data, offset: ++channel.offset }
    channel.history.push(publication)
    if (channel.history.length > HISTORY_SIZE) channel.history.shift()
    const push = Buffer.from(JSON.stringify({ push: { channel: name, pub: publication } }))
    for (const member of channel.members) member.send(push, { binary: false })
  }
}))

function answer (socket, { id, connect, subscribe, rpc }) {
  if (connect !== undefined) return { id, connect: { client: String(id), version: '6.0.0', ping: PING_EVERY_S, pong: true } }
  if (rpc?.method === REQUEST_TYPE) return { id, rpc: { data: { text: rpc.data.text } } }
  if (subscribe === undefined) return { id, error: { code: 104, message: 'method not found' } }
  const { members, history, offset } = channelOf(subscribe.channel)
  members.add(socket)
  const position = { recoverable: true, positioned: true, epoch: EPOCH, offset }
  if (subscribe.recover !== true) return { id, subscribe: position }
  const publications = history.filter((publication) => publication.offset > subscribe.offset)
  return { id, subscribe: { ...position, was_recovering: true, recovered: publications.length === offset - subscribe.offset, publications } }
}

function channelOf (name) {
  if (!channels.has(name)) channels.set(name, { members: new Set(), history: [], offset: 0 })
  return channels.get(name)
}
