import { OURS } from '../peers/index.mjs'
import { requested } from './requested.mjs'

export const rpc1 = requested({
  name: 'rpc-1',
  title: '100 sockets, one request in flight each, checked, the reply with its id',
  sockets: 100,
  inFlight: 1,
  peers: [OURS, '@fastify/websocket', 'socket.io', 'bun'],
  targets: [
    { figure: 'perSecond', peer: '@fastify/websocket', least: 1.0 }
  ]
})

export const rpc8 = requested({
  name: 'rpc-8',
  title: 'the same, eight in flight',
  sockets: 100,
  inFlight: 8,
  peers: [OURS, '@fastify/websocket', 'socket.io', 'bun'],
  targets: [
    { figure: 'perSecond', peer: 'socket.io', least: 2 },
    { figure: 'perSecond', peer: 'bun', least: 0.9 }
  ]
})
