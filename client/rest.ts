import { WsError } from './errors.js'

const TIMEOUT_MS = 10_000

/** An answer of the server's REST routes. `status` is 0 if there was none, or if something other than the plugin answered. */
export interface RestAnswer { status: number, body: any }

/** Calls the plugin's REST routes. Never rejects: a captive portal, an error page and a dead network are answers too. */
export async function rest (base: string, method: 'GET' | 'POST', path: string, token: string | null, signal = AbortSignal.timeout(TIMEOUT_MS)): Promise<RestAnswer> {
  try {
    const response = await fetch(base + path, { method, signal, headers: token ? { authorization: `Bearer ${token}` } : {} })
    const body = await response.json().catch(() => null)
    // Every answer of the plugin is a JSON object, errors included.
    return { status: body ? response.status : 0, body }
  } catch {
    return { status: 0, body: null }
  }
}

/** Loads all pages of a list. @throws WsError `bad_answer` if the server does not answer with 200 */
export async function restList<T> (base: string, path: string, field: string, token: string | null): Promise<T[]> {
  const found: T[] = []
  for (let next = path; ;) {
    const { status, body } = await rest(base, 'GET', next, token)
    if (status !== 200) throw new WsError('bad_answer', `${status} from ${path}`)
    found.push(...body[field] as T[])
    if (!body.next) return found
    next = `${path}&after=${encodeURIComponent(body.next)}`
  }
}
