import type { FastifyReply } from 'fastify'

/**
 * Makes an answer JSON. Fastify sends text as it is: neither `preSerialization` hooks of the host nor its serializers come to see it.
 *
 * @throws what a `toJSON` of the app throws
 */
export function sendable (reply: FastifyReply, answer: unknown): string {
  const json = JSON.stringify(answer)
  // A hook of the host may have chosen one for this reply, which would get the text, too.
  reply.serializer(null as never)
  reply.type('application/json; charset=utf-8')
  return json
}

/** For routes whose answers are {@link sendable}, so that what it makes is never called: the host's might not be able to read their schemas. */
export const serializerCompiler = () => JSON.stringify
