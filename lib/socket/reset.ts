import type { Duplex } from 'node:stream'

/**
 * Cuts a socket with a TCP reset, which lets go of all that waits in the kernel; one of TLS is only cut.
 *
 * Node fails to reset a socket while its FIN is on the way (EINVAL): the descriptor would stay open, and the process spin at its exit.
 * The reset comes right behind the FIN then.
 */
export function reset (socket: Duplex & { resetAndDestroy?: () => void, encrypted?: boolean }): void {
  const { writableEnded, writableFinished, writableLength } = socket
  if (socket.resetAndDestroy === undefined || socket.encrypted === true) socket.destroy()
  else if (writableEnded && !writableFinished && writableLength === 0) socket.once('finish', () => socket.resetAndDestroy!())
  else socket.resetAndDestroy()
}
