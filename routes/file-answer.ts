import type { FastifyReply } from 'fastify'

/** An answer that is not JSON. It is sent as it is, with the headers that its route has set. */
export class FileAnswer {
  readonly #body: Buffer | null

  /** @param body null: there are only headers */
  constructor (body: Buffer | null) {
    this.#body = body
  }

  /** Returns what Fastify sends. */
  sendable (reply: FastifyReply): Buffer | null {
    // A hook of the host may have set a serializer on this reply, which would also run for null.
    reply.serializer(null as never)
    return this.#body
  }
}
