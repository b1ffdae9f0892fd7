type Decompress = (data: Buffer, fin: boolean, done: (error: Error | null, data?: Buffer) => void) => void

/** The part of a WebSocket of ws that unpacks compressed messages. It is not public: without it, everything is unpacked. */
interface Inflating {
  readonly _extensions?: { readonly 'permessage-deflate'?: { decompress?: Decompress } }
}

const NOTHING = Buffer.alloc(0)

/**
 * Unpacks compressed messages of a WebSocket only while it is open; after that they are empty. ws goes on until it has unpacked all
 * that it has read, also when the socket was cut or has ended: in the worst case 64 KiB that become 60 MiB, which nobody reads. The
 * frames themselves are still read, since the client's close frame is behind them.
 */
export function inflateWhileOpen (socket: object, isOpen: () => boolean): void {
  const extension = (socket as Inflating)._extensions?.['permessage-deflate']
  const decompress = extension?.decompress
  if (extension === undefined || decompress === undefined) return
  extension.decompress = (data, fin, done) => {
    if (isOpen()) decompress.call(extension, data, fin, done)
    // Not within the call: ws reads the next frame in `done`, and the stack would grow with each of them.
    else process.nextTick(done, null, NOTHING)
  }
}
