import type { Acknowledgements } from '../acknowledgements.js'
import { builtIn } from '../../protocol/router.js'

/** `ack`: the client has taken a message that asked for it (row A10). One that is late is harmless. */
export const ackFrame = (acknowledgements: Acknowledgements) => builtIn('ack', ({ message, connection }) => {
  acknowledgements.acknowledge(message.message_id, connection)
})
