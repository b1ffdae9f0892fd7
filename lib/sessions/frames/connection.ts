import type { Lifecycle } from '../lifecycle.js'
import { encode } from '../../socket/encode.js'
import { builtIn } from '../../protocol/router.js'

/** `connection`: who am I, and where? (row J2) */
export const connectionFrame = (lifecycle: Lifecycle) => builtIn('connection', ({ connection }) => {
  const data = lifecycle.describe(connection)
  connection.send(encode({ type: 'connection', data }))
  return data
})
