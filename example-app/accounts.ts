import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'

interface Claims { sub: string, roles: string[] }

const tags = ['accounts']
/** Says in the documents that a route needs a token, by the scheme that the plugin defines. */
export const security = [{ bearerAuth: [] }]

/** Sign-in without passwords: whoever says a name has it. For a demo only. */
export const accountRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.post('/login', {
    schema: {
      tags,
      summary: 'Sign in; a demo, so without a password. The user "admin" has the role ws:admin.',
      body: Type.Object({ username: Type.String({ pattern: '^[A-Za-z][A-Za-z0-9_-]{0,31}$' }) }),
      response: {
        200: Type.Object({ token: Type.String(), user_id: Type.String(), roles: Type.Array(Type.String()) })
      }
    }
  }, async ({ body: { username } }) => {
    const roles = username === 'admin' ? ['ws:admin'] : []
    const claims: Claims = { sub: username, roles }
    return { token: app.jwt.sign(claims), user_id: username, roles }
  })

  app.post('/token', {
    schema: { tags, security, summary: 'A fresh token in place of one that is still valid', response: { 200: Type.Object({ token: Type.String() }) } },
    onRequest: signedIn
  }, async (request) => {
    const { sub, roles } = request.user as Claims
    const claims: Claims = { sub, roles }
    return { token: app.jwt.sign(claims) }
  })

  app.get('/me', {
    schema: { tags, security, summary: 'Who am I?', response: { 200: Type.Object({ user_id: Type.String(), roles: Type.Array(Type.String()) }) } },
    onRequest: signedIn
  }, async (request) => {
    const { sub, roles } = request.user as Claims
    return { user_id: sub, roles }
  })
}

/** A hook: 401 for everybody without a good token. */
export async function signedIn (request: FastifyRequest): Promise<void> {
  await request.jwtVerify()
}

export function userIdOf (request: FastifyRequest): string {
  return (request.user as Claims).sub
}
