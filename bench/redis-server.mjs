import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'

/** A redis-server of Debian's package for one scenario: on a free port of 127.0.0.1, keeping nothing on disk. */
export class RedisServer {
  port
  #child

  constructor (port, child) {
    this.port = port
    this.#child = child
  }

  static async start () {
    const port = await freePort()
    const child = spawn('redis-server', ['--port', port, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'], { stdio: ['ignore', 'pipe', 'inherit'] })
    child.on('error', () => {})
    const isUp = await new Promise((resolve) => {
      let said = ''
      child.stdout.on('data', (text) => {
        said += text
        if (said.includes('Ready to accept connections')) resolve(true)
      })
      child.on('close', () => resolve(false))
    })
    if (!isUp) throw new Error('redis-server does not start: on Debian, apt-get install redis-server')
    return new RedisServer(port, child)
  }

  get pid () {
    return this.#child.pid
  }

  async stop () {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    await exited
  }
}

async function freePort () {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}
