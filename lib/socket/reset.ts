import type { Duplex } from 'node:stream'

/**
 * Cuts a socket with a TCP reset, which discards everything queued in the kernel. A TLS socket is only destroyed.
 *
 * Node fails to reset a socket while its FIN is being sent (EINVAL): the descriptor would stay open, and the process would spin at
 * exit. In that case the reset follows the FIN.
 */
export function reset (socket: Duplex & { resetAndDestroy?: () => void, encrypted?: boolean }): void {
  const { writableEnded, writableFinished, writableLength } = socket
  if (socket.resetAndDestroy === undefined || socket.encrypted === true) socket.destroy()
  else if (writableEnded && !writableFinished && writableLength === 0) socket.once('finish', () => socket.resetAndDestroy!())
  else socket.resetAndDestroy()
}
