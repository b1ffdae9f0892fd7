import type { Lifecycle } from '../../connection/lifecycle.js'
import { encode } from '../encode.js'
import { builtIn } from '../router.js'

/** `connection`: who am I, and where? (row J2) */
export const connectionFrame = (lifecycle: Lifecycle) => builtIn('connection', ({ connection }) => {
  const data = lifecycle.describe(connection)
  connection.send(encode({ type: 'connection', data }))
  return data
})
