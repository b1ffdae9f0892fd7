import { Type, type Static } from '@sinclair/typebox'
import { Nullable } from '../../schemas/fields.js'
import { ClientRecord, NodeStatus, type ClusterStatus } from '../../schemas/records.js'
import { ClientsPage, ClientsQuery } from '../../schemas/rest.js'
import { closeCodes } from '../../schemas/codes.js'
import type { Registry } from '../socket/registry.js'
import type { Cluster } from '../engine/engine.js'
import { clusterCall } from './call.js'
import { pageOf, pageOfPages } from './client-pages.js'

/** Selects the sockets to close. */
const Target = Type.Object({ client_id: Type.Optional(Type.String()), user_id: Type.Optional(Type.String()), reason: Type.String() })
type Target = Static<typeof Target>

const statusCall = clusterCall('status', { request: Type.Null(), response: NodeStatus })
const clientsCall = clusterCall('clients', { request: ClientsQuery, response: ClientsPage })
const clientCall = clusterCall('client', { request: Type.String(), response: Nullable(ClientRecord) })
const disconnectCall = clusterCall('disconnect', { request: Target, response: Type.Integer() })

/** Operations on the sockets of all nodes: this node does its part and calls the others for theirs. */
export class Nodes {
  readonly #cluster: Cluster
  readonly #registry: Registry
  readonly #status: () => NodeStatus

  /** @param status returns the status of this node */
  constructor (cluster: Cluster, registry: Registry, status: () => NodeStatus) {
    this.#cluster = cluster
    this.#registry = registry
    this.#status = status
    statusCall.serve(cluster, status)
    clientsCall.serve(cluster, (query) => this.#pageHere(query))
    clientCall.serve(cluster, (id) => this.#clientHere(id))
    disconnectCall.serve(cluster, (target) => this.#disconnectHere(target))
  }

  /** Returns the status of every node and the totals. A node that does not answer is listed as missing; that is not an error. */
  async status (): Promise<ClusterStatus> {
    const { values, complete, missing } = await statusCall.all(this.#cluster, null)
    const nodes = [this.#status(), ...values]
    const sum = (field: 'active_connections' | 'pending_callbacks') => nodes.reduce((total, node) => total + node[field], 0)
    return {
      complete,
      missing,
      active_connections: sum('active_connections'),
      pending_callbacks: sum('pending_callbacks'),
      nodes
    }
  }

  /** Returns a page of the open sockets of all nodes, oldest first. */
  async clients (query: ClientsQuery): Promise<ClientsPage> {
    const { values, complete, missing } = await clientsCall.all(this.#cluster, query)
    return { ...pageOfPages([this.#pageHere(query), ...values], query.limit), complete, missing }
  }

  /** Finds an open socket; null: none on the nodes that answered. */
  async client (clientId: string): Promise<ClientRecord | null> {
    const here = this.#clientHere(clientId)
    if (here !== null) return here
    const { values } = await clientCall.all(this.#cluster, clientId)
    return values.find((record) => record !== null) ?? null
  }

  /** Resolves when the sockets have closed, to their number on the nodes that answered. */
  async disconnect (target: Target): Promise<number> {
    const isHere = target.client_id !== undefined && this.#registry.getOpen(target.client_id) !== null
    const [here, there] = await Promise.all([this.#disconnectHere(target), isHere ? [] : this.#disconnectThere(target)])
    return there.reduce((total, count) => total + count, here)
  }

  async #disconnectThere (target: Target): Promise<number[]> {
    const { values } = await disconnectCall.all(this.#cluster, target)
    return values
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
