import t from 'tap'
import type { ConnectionEnd } from '../../lib/client.js'
import { MemoryTransport } from '../fixtures/memory-transport.js'
import { transportSuite } from '../fixtures/transport-suite.js'

transportSuite(t, async () => {
  const transport = new MemoryTransport()
  return {
    transport,
    client: {
      messages: () => Buffer.concat(transport.received).toString().split('\n').slice(0, -1).map((line) => JSON.parse(line)),
      ended: new Promise<ConnectionEnd>((resolve) => transport.onClose(() => resolve(transport.farewell ?? { code: 1006, reason: '' }))),
      stall: () => transport.stall(),
      read: () => transport.read(),
      send: (text) => transport.sendMessage(Buffer.from(text)),
      ping: () => transport.sendPing('unasked'),
      pong: () => transport.sendPong('unasked'),
      close: (code, reason) => transport.sendClose(code, reason),
      sendTooMuch: () => transport.break('payload')
    }
  }
})
