import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/** Stands between a client and its server: counts the bytes of both directions, and cuts connections. */
export class CountingProxy {
  bytes = 0
  #server
  #sockets = new Set()

  /** @param {number} port of the server, on 127.0.0.1 */
  static async start (port) {
    const proxy = new CountingProxy()
    proxy.#server = createServer({ noDelay: true }, (client) => {
      const upstream = connect({ port, host: '127.0.0.1', noDelay: true })
      for (const [socket, other] of [[client, upstream], [upstream, client]]) {
        proxy.#sockets.add(socket)
        socket.on('data', (data) => { proxy.bytes += data.length })
        socket.on('error', () => {})
        socket.on('close', () => {
          proxy.#sockets.delete(socket)
          other.destroy()
        })
        socket.pipe(other)
      }
    })
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port () {
    return this.#server.address().port
  }

  /** Ends every connection as a network does that is gone. */
  cut () {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  stop () {
    this.#server.close()
    this.cut()
  }
}
