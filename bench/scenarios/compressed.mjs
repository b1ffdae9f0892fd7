import { OURS } from '../peers/index.mjs'
import { published } from './published.mjs'

export const compressed = published({
  name: 'compressed',
  title: '500 sockets that negotiate permessage-deflate, 2 kB of JSON, 20 a second',
  plan: 'compressed',
  sockets: 500,
  deflate: true,
  sampleEvery: 25,
  settings: { [OURS]: { options: { compression: { enabled: true } } }, ws: { compression: true } },
  peers: [OURS, 'ws'],
  targets: [
    { figure: 'cpuMicros', peer: 'ws', most: 0.1 }
  ]
})
