import { createHmac } from 'node:crypto'
import { REQUEST, REQUEST_TYPE } from '../shared/payloads.mjs'

/*
 * What sockets of a peer say besides RFC 6455. A dialect has
 * - `request(client)`: path and further headers of the upgrade;
 * - `opened(client)`: the server has answered 101;
 * - `greeting(client, text)`: a text frame came before the socket was ready; calls `client.ready()` when it is;
 * - `isControl(client, chunk, start, length)`: whether a text frame is the protocol's own business; answers it;
 * - `seqMark` and `idMark`: what stands before the number of a message and of a reply;
 * - `ask(id)`: a request.
 */
export const dialects = {
  manager: {
    request ({ user, channel, secret }) {
      const query = channel === null ? '' : `?channel_id=${channel}`
      return { path: `/ws${query}`, headers: `Authorization: Bearer ${token(secret, { sub: user, channel })}\r\nSec-WebSocket-Protocol: ws-manager.v1\r\n` }
    },
    opened () {},
    greeting (client, text) {
      if (text.startsWith('{"type":"connection"')) client.ready()
      else client.fail(`unexpected greeting ${text.slice(0, 80)}`)
    },
    isControl: () => false,
    seqMark: '"seq":',
    idMark: '"id":',
    ask: (id) => JSON.stringify({ type: REQUEST_TYPE, id, ...REQUEST })
  },
  plain: {
    request: ({ user, channel }) => ({ path: `/ws?user=${user}${channel === null ? '' : `&channel=${channel}`}`, headers: '' }),
    opened (client) { client.ready() },
    greeting () {},
    isControl: () => false,
    seqMark: '"seq":',
    idMark: '"id":',
    ask: (id) => JSON.stringify({ type: REQUEST_TYPE, id, ...REQUEST })
  },
  'socket.io': {
    request: () => ({ path: '/socket.io/?EIO=4&transport=websocket', headers: '' }),
    opened () {},
    greeting (client, text) {
      if (text.startsWith('0{')) client.send(`40${JSON.stringify({ user: client.user, channel: client.channel ?? undefined })}`)
      else if (text.startsWith('40')) client.ready()
      else if (text === '2') client.send('3')
      else client.fail(`unexpected greeting ${text.slice(0, 80)}`)
    },
    isControl (client, chunk, start, length) {
      if (length !== 1 || chunk[start] !== 0x32) return false
      client.send('3')
      return true
    },
    seqMark: '"seq":',
    idMark: '43',
    ask: (id) => `42${id}${JSON.stringify([REQUEST_TYPE, REQUEST])}`
  }
}

/** A token of an own user for every socket, HS256, valid for an hour. */
export function token (secret, claims) {
  const now = Math.floor(Date.now() / 1000)
  const body = [{ alg: 'HS256', typ: 'JWT' }, { ...claims, iat: now, exp: now + 3600 }]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${body}.${createHmac('sha256', secret).update(body).digest('base64url')}`
}
