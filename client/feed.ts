import type { Message, MessageOf, MessageType } from './contract-types.js'
import { both, type Emitter, type Handled, type Off } from './emitter.js'

/** The messages of one stream: of the user, of a role, or to everybody. */
export interface Feed<C> {
  /**
   * Listens to the messages of a type, or with `message` to all. A message that requires an acknowledgement is acknowledged when all listeners
   * have returned and their promises are fulfilled; it is not without a listener, or if one throws or rejects. Returns a function that removes
   * the listener.
   */
  on<T extends MessageType<C>> (type: T, listener: (message: MessageOf<C, T>) => unknown): Off
  on (type: 'message', listener: (message: Message<C>) => unknown): Off
  /** Messages were missed and cannot be recovered: reload the data that they are about. Not emitted on the first connection. */
  on (type: 'gap', listener: () => unknown): Off
}

/** Calls the listeners of a message: those of its type, and those of all. */
export function emitMessage (emitter: Emitter, message: { type: string }): Handled {
  const { type } = message
  return both(type === 'message' ? null : emitter.emit(type, message), emitter.emit('message', message))
}
