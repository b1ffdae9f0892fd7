/** `WebSocket.OPEN` */
const OPEN = 1

type Decompress = (data: Buffer, fin: boolean, done: (error: Error | null, data?: Buffer) => void) => void

/** A WebSocket of ws, with its part that unpacks compressed messages. That part is not public: without it, everything is unpacked. */
interface Inflating {
  readonly readyState: number
  readonly _extensions?: { readonly 'permessage-deflate'?: { decompress?: Decompress } }
}

/**
 * Unpacks compressed messages only while the socket is open. ws goes on until it has unpacked all that it has read, also when the
 * socket was cut or has ended: in the worst case 64 KiB that become 60 MiB, which nobody reads.
 */
export function inflateWhileOpen (socket: { readonly readyState: number }): void {
  const extension = (socket as Inflating)._extensions?.['permessage-deflate']
  const decompress = extension?.decompress
  if (extension === undefined || decompress === undefined) return
  extension.decompress = (data, fin, done) => {
    if (socket.readyState === OPEN) decompress.call(extension, data, fin, done)
    else done(new Error('The socket has ended, and what it has sent is not unpacked'))
  }
}
