import type { Acknowledgements } from '../acknowledgements.js'
import { builtIn } from '../../protocol/router.js'

/** `ack`: acknowledges a message that required it (row A10). A late one is harmless. */
export const ackFrame = (acknowledgements: Acknowledgements) => builtIn('ack', ({ message, connection }) => {
  acknowledgements.acknowledge(message.message_id, connection)
})
