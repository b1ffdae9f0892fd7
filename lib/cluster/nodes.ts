import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { ClientRecord, Status, type ClusterStatus } from '../../schemas/records.js'
import { ClientsPage, ClientsQuery } from '../../schemas/rest.js'
import { closeCodes } from '../close-codes.js'
import type { Registry } from '../socket/registry.js'
import { ASK_TIMEOUT_MS, type Cluster, type ClusterAnswers } from '../engine/engine.js'
import { pageOf, pageOfPages } from './client-pages.js'

/** Whose sockets are to be closed. */
const Target = Type.Object({ client_id: Type.Optional(Type.String()), user_id: Type.Optional(Type.String()), reason: Type.String() })
type Target = Static<typeof Target>

const NOBODY: ClusterAnswers = { answers: [], missing: [] }

const checkTarget = TypeCompiler.Compile(Target)
const checkQuery = TypeCompiler.Compile(ClientsQuery)
const checkCount = TypeCompiler.Compile(Type.Integer())
const checkPage = TypeCompiler.Compile(ClientsPage)
const checkRecord = TypeCompiler.Compile(ClientRecord)
const checkStatus = TypeCompiler.Compile(Status)

/** What concerns the sockets of all nodes: this node does its part, and asks the others for theirs. */
export class Nodes {
  readonly #cluster: Cluster
  readonly #registry: Registry
  readonly #status: () => Status

  /** @param status what this node is doing */
  constructor (cluster: Cluster, registry: Registry, status: () => Status) {
    this.#cluster = cluster
    this.#registry = registry
    this.#status = status
    cluster.onAsk('status', status)
    cluster.onAsk('clients', (query) => checkQuery.Check(query) ? this.#pageHere(query) : null)
    cluster.onAsk('client', (id) => this.#clientHere(String(id)))
    cluster.onAsk('disconnect', (target) => checkTarget.Check(target) ? this.#disconnectHere(target) : 0)
  }

  /** Every node, and what they are together. A node that does not answer is named, and is no fault. */
  async status (): Promise<ClusterStatus> {
    const { answers, missing } = await this.#cluster.ask('status', null, ASK_TIMEOUT_MS)
    const nodes = [this.#status(), ...answers.map(({ data }) => data).filter((data) => checkStatus.Check(data))]
    const sum = (field: 'active_connections' | 'pending_callbacks') => nodes.reduce((total, node) => total + node[field], 0)
    return {
      complete: missing !== null && missing.length === 0,
      missing,
      active_connections: sum('active_connections'),
      pending_callbacks: sum('pending_callbacks'),
      nodes
    }
  }

  /** A page of the open sockets of all nodes, oldest first. */
  async clients (query: ClientsQuery): Promise<ClientsPage> {
    const { answers, missing } = await this.#cluster.ask('clients', query, ASK_TIMEOUT_MS)
    const pages = [this.#pageHere(query), ...answers.map(({ data }) => data).filter((data) => checkPage.Check(data))]
    return { ...pageOfPages(pages, query.limit), complete: missing !== null && missing.length === 0, missing }
  }

  /** null: there is no such open socket on any node that has answered. */
  async client (clientId: string): Promise<ClientRecord | null> {
    const here = this.#clientHere(clientId)
    if (here !== null) return here
    const { answers } = await this.#cluster.ask('client', clientId, ASK_TIMEOUT_MS)
    return answers.map(({ data }) => data).find((data) => checkRecord.Check(data)) ?? null
  }

  /** Resolves when the sockets are gone, to how many there were on the nodes that have answered. */
  async disconnect (target: Target): Promise<number> {
    const isHere = target.client_id !== undefined && this.#registry.getOpen(target.client_id) !== null
    const [here, { answers }] = await Promise.all([
      this.#disconnectHere(target), isHere ? NOBODY : this.#cluster.ask('disconnect', target, ASK_TIMEOUT_MS)
    ])
    return answers.map(({ data }) => data).filter((data) => checkCount.Check(data)).reduce((total, count) => total + count, here)
  }

  #pageHere (query: ClientsQuery): ClientsPage {
    return { ...pageOf(this.#registry, query), complete: true, missing: [] }
  }

  #clientHere (clientId: string): ClientRecord | null {
    return this.#registry.getOpen(clientId)?.toRecord() ?? null
  }

  async #disconnectHere ({ client_id: clientId, user_id: userId, reason }: Target): Promise<number> {
    const connections = userId === undefined
      ? [this.#registry.getOpen(clientId ?? '')].filter((connection) => connection !== null)
      : this.#registry.others(userId)
    await Promise.all(connections.map((connection) => {
      connection.close(closeCodes.forbidden, reason)
      return connection.gone()
    }))
    return connections.length
  }
}
