import type { Static, TSchema } from '@sinclair/typebox'
import { TypeCompiler, type TypeCheck } from '@sinclair/typebox/compiler'
import type { Cluster } from '../engine/engine.js'

/** Default time for the other nodes to answer, milliseconds; suits calls that are answered without waiting. */
const TIMEOUT_MS = 2_000

/** Schemas and time-out of a call. */
export interface ClusterCallOptions<Request extends TSchema, Response extends TSchema> {
  request: Request
  response: Response
  /** Time for the other nodes to answer, milliseconds; default 2 000. */
  timeoutMs?: number
}

/** Responses of the other nodes. */
export interface ClusterReplies<T> {
  values: T[]
  /** True if every other node has responded. */
  complete: boolean
  /** Nodes that timed out, failed or sent a malformed response; null: the set of nodes is unknown. */
  missing: string[] | null
}

/**
 * Defines a call from one node to all others. Requests and responses are checked on arrival: a malformed request is not served,
 * and a node with a malformed response counts as missing.
 *
 * @param name unique among all calls and part of the protocol between nodes, so nodes of different versions must agree on it
 */
export function clusterCall<Request extends TSchema, Response extends TSchema> (
  name: string, { request, response, timeoutMs = TIMEOUT_MS }: ClusterCallOptions<Request, Response>
): ClusterCall<Static<Request>, Static<Response>> {
  return new ClusterCall(name, TypeCompiler.Compile(request), TypeCompiler.Compile(response), timeoutMs)
}

/** A call between nodes; each server passes its own cluster. */
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

  /** Serves calls of other nodes; `null` stands for no data. One server per call. */
  serve (cluster: Cluster, server: (request: Request) => Response | Promise<Response>): void {
    cluster.onAsk(this.#name, (request) => {
      if (!this.#request.Check(request)) throw new TypeError(`another node made a malformed call "${this.#name}"`)
      return server(request as Request)
    })
  }

  /**
   * Calls every other node. Never rejects.
   *
   * @param timeoutMs defaults to that of the call
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
