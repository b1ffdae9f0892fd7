import type { FastifyReply } from 'fastify'

/** An answer that is JSON already. */
export class JsonText {
  readonly text: string

  constructor (text: string) {
    this.text = text
  }
}

/**
 * Serializes an answer to JSON. Fastify sends text as it is, so `preSerialization` hooks and serializers of the host do not run.
 *
 * @throws any error of a `toJSON` of the app
 */
export function sendable (reply: FastifyReply, answer: unknown): string {
  const json = answer instanceof JsonText ? answer.text : JSON.stringify(answer)
  // A hook of the host may have set a serializer on this reply, which would also run for text.
  reply.serializer(null as never)
  reply.type('application/json; charset=utf-8')
  return json
}

/** Replaces the host's serializer compiler, which might not support the schemas. Its serializers never run, since answers are {@link sendable}. */
export const serializerCompiler = () => JSON.stringify
