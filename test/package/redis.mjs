import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'

/** A `redis-server` of this machine that keeps nothing. */
export async function startRedis () {
  const port = await freePort()
  const server = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'], { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise((resolve, reject) => {
    server.once('error', () => reject(new Error('it could not be installed: there is no redis-server on this machine')))
    server.once('exit', (code) => reject(new Error(`redis-server ended with ${code}`)))
    server.stdout.on('data', (text) => { if (String(text).includes('Ready to accept connections')) resolve() })
  })
  return {
    port,
    async stop () {
      const ended = once(server, 'exit')
      server.kill()
      await ended
    }
  }
}

async function freePort () {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address()
  probe.close()
  await once(probe, 'close')
  return port
}
