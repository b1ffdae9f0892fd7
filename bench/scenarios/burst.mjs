import { OURS } from '../peers/index.mjs'
import { published } from './published.mjs'

export const burst = published({
  name: 'burst',
  title: '1000 sockets, ten messages a tick, 10 ticks a second',
  plan: 'burst',
  sockets: 1000,
  peers: [OURS, 'socket.io', 'ws', '@fastify/websocket', 'bun', 'net'],
  targets: [
    { figure: 'cpuMicros', peer: 'bun', most: 1.3 },
    { figure: 'cpuMicros', peer: 'socket.io', most: 0.20 },
    { figure: 'cpuMicros', peer: 'ws', most: 0.25 }
  ]
})
