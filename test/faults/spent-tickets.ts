import type { Test } from 'tap'
import { TestClient } from '../fixtures/client.js'
import { forge } from '../fixtures/tokens.js'
import type { Deployment } from './deployment.js'
import { lengthy, type Figures } from './fault.js'
import { rest } from './rest.js'

const COUNT = lengthy(30, 6)

/** Tickets that have opened a socket before something happens, and are to open no second one. */
export class SpentTickets {
  readonly #t: Test
  readonly #deployment: Deployment
  #tickets: string[] = []

  constructor (t: Test, deployment: Deployment) {
    this.#t = t
    this.#deployment = deployment
  }

  async issue (): Promise<void> {
    const { origins } = this.#deployment
    this.#tickets = await Promise.all(Array.from({ length: COUNT }, async (_, n) =>
      (await rest(origins[n % origins.length]!, 'POST', '/ws/tickets', forge({ sub: `holder-${n}` }))).body.ticket as string))
  }

  async spend (): Promise<void> {
    const opened = await this.#try()
    this.#t.equal(opened, COUNT, 'each ticket opens a socket')
  }

  /** Each is shown to every node once more. */
  async spendAgain (): Promise<Figures> {
    let openedTwice = 0
    for (let node = 0; node < this.#deployment.nodes.length; node++) openedTwice += await this.#try()
    return { tickets: COUNT, openedTwice }
  }

  async #try (): Promise<number> {
    const { origins } = this.#deployment
    const opened = await Promise.all(this.#tickets.map(async (ticket, n) => {
      const client = new TestClient(`${origins[n % origins.length]!.replace('http', 'ws')}/ws?ticket=${ticket}`, ['ws-manager.v1'])
      const isOpen = await client.opened().then(() => true, () => false)
      client.socket.terminate()
      return isOpen
    }))
    this.#turn()
    return opened.filter((isOpen) => isOpen).length
  }

  /** The next time each comes to the next node. */
  #turn (): void {
    this.#tickets.push(this.#tickets.shift()!)
  }
}
