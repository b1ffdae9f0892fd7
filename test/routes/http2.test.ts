import { readdir } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { protocol } from '../fixtures/app.js'

// Every other file of this folder once more: what it starts speaks HTTP/2, with sockets by HTTP/1.1 on the same port.
protocol.http = 2
const own = fileURLToPath(import.meta.url)
for (const file of (await readdir(dirname(own))).sort()) {
  if (file.endsWith('.test.js') && file !== basename(own)) await import(`./${file}`)
}
