import t from 'tap'
import { closeCodes } from '../schemas/codes.js'
import { fitReason } from '../lib/socket/close-reason.js'
import { startApp } from './fixtures/app.js'

t.test('every close code is one that a server may send', async (t) => {
  for (const [name, code] of Object.entries(closeCodes)) {
    // RFC 6455 section 7.4: 1004, 1005, 1006 and 1015 are never sent; applications have 4000 to 4999.
    t.ok([1001, 1003, 1008, 1009, 1011, 1012, 1013].includes(code) || (code >= 4000 && code <= 4999), name)
  }
  t.equal(new Set(Object.values(closeCodes)).size, Object.keys(closeCodes).length, 'each says one thing')
})

t.test('a close reason of 123 bytes stays whole and a longer one is cut', async (t) => {
  t.equal(fitReason('x'.repeat(123)), 'x'.repeat(123))
  t.equal(fitReason('x'.repeat(124)), 'x'.repeat(123))
  t.equal(fitReason(''), '')
})

t.test('a close reason is never cut inside a character', async (t) => {
  for (const character of ['é', '€', '🙂']) {
    for (let offset = 0; offset < 4; offset++) {
      const reason = 'x'.repeat(offset) + character.repeat(100)
      const fitted = fitReason(reason)
      t.ok(reason.startsWith(fitted), `${character} after ${offset} bytes`)
      t.notOk(fitted.includes('\ufffd'))
      const bytes = Buffer.byteLength(fitted)
      t.ok(bytes <= 123 && bytes > 123 - Buffer.byteLength(character), 'as much as fits')
    }
  }
})

t.test('an app can disconnect with a reason of any length', async (t) => {
  const server = await startApp(t)
  const client = await server.connect('alice')
  await server.app.ws.disconnect(client.id, 'ü'.repeat(500))
  t.same(await client.closed, { code: 4403, reason: 'ü'.repeat(61) })
})
