import type { Static, TSchema } from '@sinclair/typebox'
import { TypeCompiler, type TypeCheck } from '@sinclair/typebox/compiler'
import type { Cluster } from '../engine/engine.js'

/** Time for the other nodes to answer, milliseconds, where answering needs no waiting. */
const TIMEOUT_MS = 2_000

/** The schemas of a call, and the time that it is given. */
export interface ClusterCallOptions<Request extends TSchema, Response extends TSchema> {
  request: Request
  response: Response
  /** Time for the other nodes to answer, milliseconds; default 2 000. */
  timeoutMs?: number
}

/** The answers of the other nodes. */
export interface ClusterReplies<T> {
  values: T[]
  /** Whether every other node is among them. */
  complete: boolean
  /** Nodes that did not answer in time, failed to, or answered something else; null: not even known which nodes there are. */
  missing: string[] | null
}

/**
 * Defines a call from one node to all others. Both sides are checked when they arrive: a malformed request is not served, and a node
 * with a malformed response is missing.
 *
 * @param name unique among all calls, and part of what nodes tell each other: nodes of different versions must agree on it
 */
export function clusterCall<Request extends TSchema, Response extends TSchema> (
  name: string, { request, response, timeoutMs = TIMEOUT_MS }: ClusterCallOptions<Request, Response>
): ClusterCall<Static<Request>, Static<Response>> {
  return new ClusterCall(name, TypeCompiler.Compile(request), TypeCompiler.Compile(response), timeoutMs)
}

/** A call that is not bound to the nodes of a server yet. */
export class ClusterCall<Request, Response> {
  readonly #name: string
  readonly #request: TypeCheck<TSchema>
  readonly #response: TypeCheck<TSchema>
  readonly #timeoutMs: number

  constructor (name: string, request: TypeCheck<TSchema>, response: TypeCheck<TSchema>, timeoutMs: number) {
    this.#name = name
    this.#request = request
    this.#response = response
    this.#timeoutMs = timeoutMs
  }

  /** Serves the calls of other nodes; `null` stands for nothing. One server for each call. */
  serve (cluster: Cluster, server: (request: Request) => Response | Promise<Response>): void {
    cluster.onAsk(this.#name, (request) => {
      if (!this.#request.Check(request)) throw new TypeError(`another node made a malformed call "${this.#name}"`)
      return server(request as Request)
    })
  }

  /**
   * Calls every other node. Never rejects.
   *
   * @param timeoutMs by default that of the call
   */
  async all (cluster: Cluster, request: Request, timeoutMs = this.#timeoutMs): Promise<ClusterReplies<Response>> {
    const { answers, missing } = await cluster.ask(this.#name, request, timeoutMs)
    const values: Response[] = []
    const malformed: string[] = []
    for (const { node_id: nodeId, data } of answers) {
      if (this.#response.Check(data)) values.push(data as Response)
      else malformed.push(nodeId)
    }
    const absent = missing === null ? null : [...missing, ...malformed]
    return { values, complete: absent?.length === 0, missing: absent }
  }
}
