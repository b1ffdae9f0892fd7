import { refreshToken, session } from './session.js'

const { createClient } = window.FastifyWs

/** The page's connection. Positions are kept, so that a reload misses nothing. */
export const ws = createClient({ url: '/ws', getToken: tokenFor, storage: sessionStorage, autoConnect: false })

async function tokenFor ({ reason }) {
  if (session === null || reason === 'refused') return null
  return reason === 'expiring' ? refreshToken() : session.token
}
