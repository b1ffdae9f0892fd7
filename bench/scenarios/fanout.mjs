import { OURS } from '../peers/index.mjs'
import { published } from './published.mjs'

export const fanout = published({
  name: 'fanout',
  title: '1000 sockets, a 200-byte message, one a tick, 40 a second',
  plan: 'fanout',
  sockets: 1000,
  peers: [OURS, 'socket.io', 'ws', '@fastify/websocket', 'bun', 'net'],
  targets: [
    { figure: 'cpuMicros', peer: 'net', most: 1.10 },
    { figure: 'cpuMicros', peer: 'socket.io', most: 0.70 }
  ]
})
