import type { Message, MessageOf, MessageType } from './contract-types.js'
import { both, type Emitter, type Handled, type Off } from './emitter.js'

/** The messages of one stream: of the user, of a role, or to everybody. */
export interface Feed<C> {
  /**
   * Listens to the messages of a type, or with `message` to all. A message that wants an acknowledgement gets it when all listeners have
   * returned, or their promises are fulfilled; without a listener, and after one that throws, it gets none. Returns a function that
   * takes the listener away.
   */
  on<T extends MessageType<C>> (type: T, listener: (message: MessageOf<C, T>) => unknown): Off
  on (type: 'message', listener: (message: Message<C>) => unknown): Off
  /** Messages were missed and cannot be had any more: reload what they are about. Not on the first connection. */
  on (type: 'gap', listener: () => unknown): Off
}

/** Calls the listeners of a message: those of its type, and those of all. */
export function emitMessage (emitter: Emitter, message: { type: string }): Handled {
  return both(emitter.emit(message.type, message), emitter.emit('message', message))
}
