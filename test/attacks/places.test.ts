import t from 'tap'
import { AttackedServer } from '../fixtures/attacked-server.js'
import { amount, figure } from '../fixtures/attacks.js'

const TRIES = amount({ short: 40, long: 1_200 })
const HONEST = amount({ short: 10, long: 300 })

for (const [name, auth] of [['that have not authenticated', { firstFrame: true }], ['of nobody', { anonymous: true }]] as const) {
  t.test(`one address cannot take all socket slots ${name}`, { timeout: 120_000 }, async (t) => {
    const server = await AttackedServer.start(t, { auth })
    let held = 0
    const attack = async () => {
      for (let i = 0; i < TRIES; i++) {
        const client = server.dial(null, '127.0.0.2')
        if (await client.opened().then(() => true, () => false)) held++
      }
    }
    const attacking = Promise.all([attack(), attack(), attack(), attack()])
    let refused = 0
    for (let i = 0; i < HONEST; i++) {
      // Every second one has a token at once.
      const client = server.dial(i % 2 === 0 ? null : 'alice')
      try {
        await client.opened()
        if (i % 2 === 0) await client.request({ type: 'auth', token: server.token('alice') })
        await client.settled()
        await client.close()
      } catch {
        refused++
      }
    }
    await attacking
    const { uncaught, status: { rejected } } = await server.ask('report')
    t.same(uncaught, [])
    t.equal(refused, 0, `${refused} of ${HONEST} honest ones were refused`)
    const counted = rejected.unauthenticated_per_ip + rejected.anonymous_per_ip
    t.ok(counted > 0 && held <= 100, `${held} were held, ${counted} refused`)
    figure(t, 'places', `sockets ${name}: ${TRIES * 4} upgrades of one address, ${held} of them held open, ${counted} refused; of ${HONEST} honest clients meanwhile ${refused} refused`)
  })
}
