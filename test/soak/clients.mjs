/* The soak's clients: each lives some seconds, does what a client does, and goes in one of several ways. */
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'

const [origin, tokens] = [process.argv[2], JSON.parse(process.argv[3])]

await Promise.all(tokens.map(async (token, i) => {
  for (;;) {
    await live(token, i)
    await sleep(Math.random() * 300)
  }
}))

function live (token, i) {
  return new Promise((resolve) => {
    const socket = new WebSocket(`${origin.replace('http', 'ws')}/ws`, ['ws-manager.v1', `bearer.${token}`])
    const send = (frame) => { if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(frame)) }
    let calling
    socket.on('open', () => {
      send({ type: 'subscribe', channel_ids: [`room-${i % 10}`, `room-${(i + 3) % 10}`] })
      calling = setInterval(() => {
        send({ type: 'soak.add', a: 1, b: 2, id: 1 })
        if (Math.random() < 0.02) send({ type: 'nonsense' })
      }, 50)
      setTimeout(() => { if (Math.random() < 0.5) socket.close(); else socket.terminate() }, Math.random() * 4_000)
    })
    socket.on('message', (data) => {
      const frame = JSON.parse(data)
      if (frame.type === 'task_step_result' && Math.random() < 0.7) send({ type: 'confirm', callback_id: frame.callback_id, proceed: true })
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      clearInterval(calling)
      resolve()
    })
  })
}
