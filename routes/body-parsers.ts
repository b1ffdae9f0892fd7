import type { FastifyInstance, FastifyRequest, RequestPayload } from 'fastify'
import { BadJsonError, UnsupportedMediaTypeError } from '../lib/errors.js'

/** Replaces the host's body parsers in a scope: bodies must be JSON; an empty body may have any content type. */
export function useOwnParsers (scope: FastifyInstance): void {
  const parse = scope.getDefaultJsonParser('error', 'error')
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body: string, done) => {
    if (body === '') return done(null)
    parse(request, body, (error, value) => done(error === null ? null : new BadJsonError('The body is not valid JSON'), value))
  })
  scope.addContentTypeParser('*', (_request: FastifyRequest, payload: RequestPayload) => new Promise((resolve, reject) => {
    payload.once('data', () => reject(new UnsupportedMediaTypeError())).once('end', resolve).once('error', reject)
  }))
}
