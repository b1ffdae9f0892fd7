const STORAGE_KEY = 'realtime-example.session'
const TIMEOUT_MS = 10_000

/** The token and what the server says about its user; null: nobody is signed in. */
export let session = stored()

export async function signIn (username) {
  keep(await api('POST', '/login', { username }))
}

/** A fresh token in place of one that ends soon. */
export async function refreshToken () {
  const { token } = await api('POST', '/token')
  if (session !== null) keep({ ...session, token })
  return token
}

export function endSession () {
  keep(null)
}

/** Calls a route of the app. The error's `status` is that of the answer; 0: there was none. */
export async function api (method, path, body) {
  const headers = { ...session && { authorization: `Bearer ${session.token}` }, ...body && { 'content-type': 'application/json' } }
  let response
  try {
    response = await fetch(path, { method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(TIMEOUT_MS) })
  } catch (error) {
    throw Object.assign(new Error(error.name === 'TimeoutError' ? 'The server did not answer in time.' : 'The server cannot be reached.'), { status: 0 })
  }
  const data = await response.json().catch(() => null)
  if (!response.ok) throw Object.assign(new Error(data?.message ?? `The server answered ${response.status}.`), { status: response.status })
  return data
}

function keep (changed) {
  session = changed
  if (session === null) sessionStorage.removeItem(STORAGE_KEY)
  else sessionStorage.setItem(STORAGE_KEY, JSON.stringify(session))
}

function stored () {
  try {
    return JSON.parse(sessionStorage.getItem(STORAGE_KEY))
  } catch {
    return null
  }
}
