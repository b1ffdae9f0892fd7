import { OURS } from '../peers/index.mjs'
import { published } from './published.mjs'

const WORK = 'a tick has one broadcast, five channel and twenty direct messages, 40 ticks a second'

const mixedWith = (name, plan, channels) => published({
  name,
  title: `1000 sockets in ${channels}; ${WORK}`,
  plan,
  sockets: 1000,
  peers: [OURS, 'socket.io', 'ws', 'bun'],
  targets: [
    { figure: 'cpuMicros', peer: 'socket.io', most: 0.5 }
  ]
})

/** Every socket gets a broadcast and its channel's message in a tick. */
export const mixed = mixedWith('mixed', 'mixed', 'five channels of 200')
/** Nearly every socket gets one message in a tick, so there is little to batch. */
export const mixedSmall = mixedWith('mixed-small', 'mixedSmall', '100 channels of ten')
