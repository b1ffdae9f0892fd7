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
        // Whose socket that of another tab is, nobody knows here: a cookie may have been another user's when it was opened.
        const name = token === null ? null : `ws-manager:${base}:${await userOf(token)}`
        if ((room?.name ?? null) !== name) {
          room?.close()
          room = name === null ? null : new TabRoom(name, openSocket)
        }
        return room?.open ?? openSocket()
      }
    }
  }
}

/** Names the user of a token: the `sub` of a JWT (RFC 7519 section 4.1.2), or the hash of another token. */
async function userOf (token: string): Promise<string> {
  try {
    const { sub } = JSON.parse(atob(token.split('.')[1]!.replace(/-/g, '+').replace(/_/g, '/')))
    if (typeof sub === 'string') return `user:${sub}`
  } catch {}
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(token)))
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
