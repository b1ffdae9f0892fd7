import { OURS } from '../peers/index.mjs'
import { published } from './published.mjs'

export const channels = published({
  name: 'channels',
  title: '8000 sockets in 800 channels of ten, 2000 publications a second',
  plan: 'channels',
  sockets: 8000,
  isOneAtATime: true,
  settings: { [OURS]: { options: { limits: { maxConnections: 10_000 } } } },
  peers: [OURS, 'socket.io', 'bun', 'net'],
  targets: [
    { figure: 'cpuMicros', peer: 'socket.io', most: 0.6 }
  ]
})
