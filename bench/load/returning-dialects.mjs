import { dialects } from './dialects.mjs'

/*
 * What clients that come back say: as the dialects, and with what the client has of the stream. `client.member` outlives its
 * sockets. `note(member, text)` remembers where a message is.
 */
export const returningDialects = {
  manager: {
    ...dialects.manager,
    request (client) {
      const { path, headers } = dialects.manager.request(client)
      const { position } = client.member
      return { path: position === null ? path : `${path}?recover=${encodeURIComponent(JSON.stringify({ all: position }))}`, headers }
    },
    greeting (client, text) {
      const { type, data } = JSON.parse(text)
      if (type !== 'connection') return client.fail(`unexpected greeting ${text.slice(0, 80)}`)
      const { epoch, offset } = data.streams.find(({ topic }) => topic === 'all')
      client.member.position = { epoch, offset }
      client.ready()
    },
    note (member, text) {
      const { epoch, offset } = JSON.parse(text).stream
      member.position = { epoch, offset }
    }
  },
  'socket.io': {
    ...dialects['socket.io'],
    greeting (client, text) {
      const { member } = client
      if (text.startsWith('0{')) {
        client.send(`40${JSON.stringify({ user: client.user, ...member.position === null ? {} : { pid: member.session, offset: member.position } })}`)
      } else if (text.startsWith('40')) {
        const { pid } = JSON.parse(text.slice(2))
        if (pid !== member.session) member.position = null
        member.session = pid
        client.ready()
      } else if (text.startsWith('42')) {
        // What was missed comes before the greeting.
        member.take(text)
      } else if (text === '2') {
        client.send('3')
      } else {
        client.fail(`unexpected greeting ${text.slice(0, 80)}`)
      }
    },
    note (member, text) {
      // Without recovery on the server there is no third one.
      member.position = JSON.parse(text.slice(2))[2] ?? null
    }
  }
}
