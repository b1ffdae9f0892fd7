import type { Acknowledgements } from '../acknowledgements.js'
import { builtIn } from '../../protocol/router.js'

/** `ack`: acknowledges a message that required it (row A10). A late one is harmless. Whoever recovers many sends many while they recover. */
export const ackFrame = (acknowledgements: Acknowledgements) => builtIn('ack', ({ message, connection }) => {
  acknowledgements.acknowledge(message.message_id, connection)
}, { isUnordered: true })
