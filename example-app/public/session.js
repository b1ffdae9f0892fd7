const STORAGE_KEY = 'realtime-example.session'
const TIMEOUT_MS = 10_000

export class HttpError extends Error {
  constructor (status, message) {
    super(message)
    this.status = status
  }
}

export class Session {
  #onExpired
  #current = null

  constructor ({ onExpired }) {
    this.#onExpired = onExpired
    this.#current = stored()
  }

  get isOpen () { return this.#current !== null }
  get token () { return this.#current?.token }
  get userId () { return this.#current?.user_id }
  get isAdmin () { return this.#current?.roles?.includes('ws:admin') ?? false }

  async open (username) {
    const response = await send('POST', '/login', { body: { username } })
    this.#keep(await content(response))
  }

  // A fresh token in place of one that ends soon.
  async refresh () {
    const { token } = await this.call('POST', '/token')
    this.#keep({ ...this.#current, token })
  }

  close () {
    this.#current = null
    sessionStorage.removeItem(STORAGE_KEY)
  }

  async call (method, path, body) {
    const asked = this.#current
    const response = await send(method, path, { body, token: asked?.token })
    // An answer to whoever was signed in before must not reach the page of the one who is now.
    if (asked?.user_id !== this.#current?.user_id) throw new HttpError(401, 'Signed out')
    if (response.status === 401) this.#onExpired()
    return content(response)
  }

  #keep (session) {
    this.#current = session
    sessionStorage.setItem(STORAGE_KEY, JSON.stringify(session))
  }
}

function stored () {
  try {
    const session = JSON.parse(sessionStorage.getItem(STORAGE_KEY))
    return typeof session?.token === 'string' ? session : null
  } catch {
    return null
  }
}

async function send (method, path, { body, token }) {
  const headers = { accept: 'application/json' }
  if (token) headers.authorization = `Bearer ${token}`
  // A content type without a body is refused by Fastify, so it goes along only with one.
  if (body !== undefined) headers['content-type'] = 'application/json'
  try {
    return await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS)
    })
  } catch (error) {
    throw new HttpError(0, error.name === 'TimeoutError' ? 'the server did not answer in time' : 'the server cannot be reached')
  }
}

async function content (response) {
  const data = await response.json().catch(() => null)
  if (!response.ok) throw new HttpError(response.status, data?.message ?? `the server answered ${response.status}`)
  return data
}
