import type { Lifecycle } from '../lifecycle.js'
import { encodeFrame } from '../../socket/message.js'
import { builtIn } from '../../protocol/router.js'

/** `connection`: returns the socket's user, channels and positions (row J2). */
export const connectionFrame = (lifecycle: Lifecycle) => builtIn('connection', ({ connection }) => {
  const data = lifecycle.describe(connection)
  connection.send(encodeFrame({ type: 'connection', data }))
  return data
})
