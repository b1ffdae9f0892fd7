import { Type, type Static } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { EncodedText, hasRepresentation } from '../lib/http/encoded-text.js'
import { version } from '../lib/version.js'
import { tags } from './answers.js'
import { FileAnswer } from './file-answer.js'
import type { Scope } from './scope.js'

const TYPE = 'text/javascript; charset=utf-8'
/** A page may run with the script of an hour ago: clients and servers of neighbouring versions understand each other. */
const CACHE = 'public, max-age=3600, stale-while-revalidate=86400'
const CACHE_FOR_EVER = 'public, max-age=31536000, immutable'

const Query = Type.Object({ v: Type.Optional(Type.String({ description: 'Version of the package: if it is that of the node, caches keep the answer for ever' })) })
const Script = { description: 'The script', content: { 'text/javascript': { schema: Type.String({ description: 'JavaScript, a classic script' }) } } }

/**
 * Registers the route of the browser client as one classic script. It is public, like every script of a page: the request of a `<script>`
 * element carries no token.
 */
export function clientScriptRoute (scope: Scope): void {
  let script: Promise<EncodedText> | null = null

  const answer = async ({ method, headers, query }: FastifyRequest, reply: FastifyReply): Promise<FileAnswer> => {
    script ??= import('./client-script-text.js').then(({ text }) => new EncodedText(text))
    const representation = await (await script).for(headers['accept-encoding'])
    const { coding, etag, body } = representation
    reply.headers({
      'content-type': TYPE,
      'x-content-type-options': 'nosniff',
      // The script of another version, as during an upgrade, must not be kept under this name.
      'cache-control': (query as Static<typeof Query>).v === version ? CACHE_FOR_EVER : CACHE,
      vary: 'accept-encoding',
      etag
    })
    if (hasRepresentation(headers['if-none-match'], representation)) {
      reply.code(304)
      return new FileAnswer(null)
    }
    if (coding !== null) reply.header('content-encoding', coding)
    if (method === 'GET') return new FileAnswer(body)
    reply.header('content-length', body.length)
    return new FileAnswer(null)
  }

  scope.get('/client.js', {
    exposeHeadRoute: false,
    schema: {
      tags, summary: 'The browser client as one script, for pages without modules', querystring: Query, response: { 200: Script, 304: Type.Null({ description: 'The script has not changed' }) }
    },
    // A parameter that is given twice is no reason to leave the page without its script.
    attachValidation: true
  }, (request, reply) => answer(request, reply) as never)

  // The route that Fastify makes itself fails on an answer without a body.
  scope.head('/client.js', { schema: { hide: true } as object }, (request, reply) => answer(request, reply) as never)
}
