import type { OpenSocket } from '../socket.js'
import { TabRoom } from './tab-room.js'

/** Shares one socket among the tabs of a browser; for the option `tabs` of `createClient`. */
export interface Tabs {
  /** @internal */
  share (openSocket: () => Promise<OpenSocket>): (base: string, token: string | null) => Promise<OpenSocket>
}

/**
 * Makes all tabs of a browser with the same URL and user share one socket. One tab holds it (Web Locks choose which, a visible one first), and
 * passes messages on (BroadcastChannel). When that tab is closed, another takes over at once; when it is frozen, after a second or two. No
 * message is lost or comes twice. Each tab has its own channels, calls and listeners, as if it had a socket of its own.
 *
 * Where a browser has no Web Locks, outside of browsers, and without `getToken`, each client has its own socket.
 */
export function tabs (): Tabs {
  return {
    share: (openSocket) => {
      if (typeof document === 'undefined' || navigator.locks === undefined || typeof BroadcastChannel === 'undefined') return () => openSocket()
      let room: TabRoom | null = null
      return async (base, token) => {
        // Without a token no tab knows whose socket another tab has: the cookie may have been another user's when it was opened.
        const name = token === null ? null : await roomOf(base, token)
        if ((room?.name ?? null) !== name) {
          room?.close()
          room = name === null ? null : new TabRoom(name, openSocket, async (token) => await roomOf(base, token) === name)
        }
        return room?.open ?? openSocket()
      }
    }
  }
}

/**
 * Names the room of a user: by all claims of a JWT but those that each token has of its own (RFC 7519 section 4.1), since any of them may
 * name the user; by the whole of another token.
 */
async function roomOf (base: string, token: string): Promise<string> {
  let user = token
  try {
    const { exp, iat, nbf, jti, ...claims } = JSON.parse(atob(token.split('.')[1]!.replace(/-/g, '+').replace(/_/g, '/')))
    user = JSON.stringify(claims)
  } catch {}
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(user)))
  return `ws-manager:${base}:${Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('')}`
}
