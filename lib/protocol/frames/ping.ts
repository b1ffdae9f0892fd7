import type { Clock } from '../../engine/engine.js'
import { encodeFrame } from '../../socket/message.js'
import { builtIn } from '../router.js'

/** `ping`: the application's own ping, for clients that cannot send the protocol's (rows A6, A19). */
export const pingFrame = (clock: Clock) => builtIn('ping', ({ message, connection }) => {
  const data = { timestamp: message.timestamp ?? null, server_time: clock.now() }
  connection.send(encodeFrame({ type: 'pong', ...data }))
  return data
}, { isOpenToAll: true })
