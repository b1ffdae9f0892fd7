import type { Test } from 'tap'
import type { UserConfirmation } from '../../lib/index.js'
import { TestClient } from '../fixtures/client.js'
import { Outcomes } from '../fixtures/outcomes.js'
import { forge } from '../fixtures/tokens.js'
import { until } from '../fixtures/until.js'
import type { Deployment } from './deployment.js'
import { lengthy, type Figures } from './fault.js'
import { ADMIN, rest } from './rest.js'

const USERS = lengthy(20, 4)
/** Longer than any run. */
const TIMEOUT_MS = 600_000

/**
 * Questions that are answered before something happens, and of which everybody is asked afterwards: what was said once must still
 * be so.
 */
export class Answers {
  readonly #t: Test
  readonly #deployment: Deployment
  readonly #outcomes = new Outcomes()
  /** Ids and users. */
  readonly #asked = new Map<string, string>()
  #round = 0

  constructor (t: Test, deployment: Deployment) {
    this.#t = t
    this.#deployment = deployment
  }

  /** Asks, by each of the nodes in turn. Resolves when every question is stored. */
  async ask (count: number): Promise<void> {
    const { nodes, origins } = this.#deployment
    const round = ++this.#round
    for (let n = 0; n < count; n++) {
      nodes[n % nodes.length]!.command<UserConfirmation>('ask', { userId: `asked-${n % USERS}`, taskId: `round ${round}, ${n}`, timeoutMs: TIMEOUT_MS, onTimeout: 'cancel' })
        // A node of layout 1 that closes says so; the question goes on.
        .then(({ callback_id: id, outcome, ...rest }) => { if (outcome !== 'closed') this.#tell(id, outcome, rest, 'the asker') }, () => {})
    }
    const stored = async () => {
      const lists = await Promise.all(Array.from({ length: Math.min(USERS, count) }, async (_, n) => {
        const { body } = await rest(origins[n % origins.length]!, 'GET', `/ws/confirmations?status=pending&limit=1000&user_id=asked-${n}`, ADMIN)
        return (body.confirmations ?? []) as { callback_id: string, user_id: string, task_id: string }[]
      }))
      return lists.flat().filter(({ task_id: task }) => task.startsWith(`round ${round},`))
    }
    await until(async () => (await stored()).length === count, { everyMs: 50, missing: async () => `${count - (await stored()).length} questions are not stored` })
    for (const { callback_id: id, user_id: user } of await stored()) this.#asked.set(id, user)
  }

  /** One socket of each user is open from now on; what it is told is kept, too. */
  async listen (): Promise<void> {
    const { origins } = this.#deployment
    await Promise.all(Array.from({ length: USERS }, async (_, n) => {
      const url = `${origins[n % origins.length]!.replace('http', 'ws')}/ws`
      const client = await new TestClient(url, ['ws-manager.v1', `bearer.${forge({ sub: `asked-${n}` })}`]).opened()
      this.#t.teardown(() => client.socket.terminate())
      client.socket.on('message', (data) => {
        const frame = JSON.parse(data.toString())
        if (frame.type === 'confirmation_closed') this.#tell(frame.callback_id, frame.outcome, frame, 'a socket')
      })
    }))
  }

  /** Every question is answered with yes. */
  async confirm (): Promise<void> {
    await this.#each((id, user, node) => this.#answer(id, user, node, true))
  }

  /** Every node is asked for every question, and then a node is told the contrary. */
  async contradict (): Promise<Figures> {
    const { origins } = this.#deployment
    await this.#each(async (id, user, node) => {
      for (const origin of origins) {
        const { status, body } = await rest(origin, 'GET', `/ws/confirmations/${id}`, ADMIN)
        if (status === 200) this.#tell(id, body.status, body, `GET ${origin}`)
      }
      await this.#answer(id, user, node + 1, false)
    })
    const { undone, uncertain } = this.#outcomes
    for (const told of undone.slice(0, 3)) this.#t.comment(told.map(({ status, by }) => `${status} by ${by}`).join(', '))
    return { questions: this.#asked.size, undone: undone.length, markedUncertain: uncertain }
  }

  async #answer (id: string, user: string, node: number, proceed: boolean): Promise<void> {
    const { origins } = this.#deployment
    const { status, body } = await rest(origins[node % origins.length]!, 'POST', `/ws/confirmations/${id}`, forge({ sub: user }), { proceed })
    if (status === 200) this.#tell(id, body.status, body, `POST, proceed: ${proceed}`)
    if (status === 409) this.#tell(id, body.details.outcome, body.details, `POST, proceed: ${proceed}, refused`)
  }

  #tell (id: string, status: string, about: object, by: string): void {
    this.#outcomes.tell({ id, status, isUncertain: (about as { uncertain?: boolean }).uncertain === true, by })
  }

  async #each (act: (id: string, user: string, node: number) => Promise<void>): Promise<void> {
    await Promise.all([...this.#asked].map(([id, user], n) => act(id, user, n)))
  }
}
