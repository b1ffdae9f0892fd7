import type { OpenSocket } from '../connection.js'
import { TabRoom } from './tab-room.js'

/** Shares one socket among the tabs of a browser; for the option `tabs` of `createClient`. */
export interface Tabs {
  /** @internal */
  share (openSocket: () => Promise<OpenSocket>): (base: string, token: string | null) => Promise<OpenSocket>
}

/**
 * Makes all tabs of a browser with the same URL and the same user use one socket. One of them holds it (Web Locks choose which, one that is
 * seen first), and hands messages on (BroadcastChannel); when it is closed or frozen, another goes on within a second, and no message is
 * lost or comes twice. Each tab has its own channels, calls and listeners, as if it had a socket of its own.
 *
 * Where a browser has no Web Locks, and outside of browsers, each client has its own socket.
 */
export function tabs (): Tabs {
  return {
    share: (openSocket) => {
      if (typeof document === 'undefined' || navigator.locks === undefined || typeof BroadcastChannel === 'undefined') return () => openSocket()
      let room: TabRoom | null = null
      return async (base, token) => {
        const name = `ws-manager:${base}:${await userOf(token)}`
        if (room?.name !== name) {
          room?.close()
          room = new TabRoom(name, openSocket)
        }
        const { open } = room
        return open
      }
    }
  }
}

/** Who a token is of: the `sub` of a JWT (RFC 7519 section 4.1.2); of another token a hash. */
async function userOf (token: string | null): Promise<string> {
  if (token === null) return ''
  try {
    const { sub } = JSON.parse(atob(token.split('.')[1]!.replace(/-/g, '+').replace(/_/g, '/')))
    if (typeof sub === 'string') return `user:${sub}`
  } catch {}
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(token)))
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
