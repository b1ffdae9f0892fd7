const STORAGE_KEY = 'realtime-example.memory'

// What a tab shows of streams and its positions in them, from one load of the page to the next. They are stored together,
// so that an old state is only older: the server sends what is missing.
export class TabMemory {
  #parts
  #userId = null

  // parts: by name, each with a `snapshot` that JSON can hold, and restore(snapshot). The positions come last: without
  // the state that belongs to them they would be untrue.
  constructor (parts) {
    this.#parts = parts
    // Some browsers end a page that is in the background without another word.
    window.addEventListener('pagehide', () => this.save())
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'hidden') this.save()
    })
  }

  open (userId) {
    this.#userId = userId
    const stored = read()
    if (stored?.userId !== userId) return this.clear()
    try {
      for (const [name, part] of Object.entries(this.#parts)) part.restore(stored.parts[name])
    } catch (error) {
      console.warn('What this tab showed cannot be read', error)
      this.clear()
    }
  }

  save () {
    if (this.#userId === null) return
    const parts = Object.fromEntries(Object.entries(this.#parts).map(([name, part]) => [name, part.snapshot]))
    try {
      sessionStorage.setItem(STORAGE_KEY, JSON.stringify({ userId: this.#userId, parts }))
    } catch (error) {
      console.warn('What this tab shows cannot be kept for a reload', error)
    }
  }

  close () {
    this.#userId = null
  }

  clear () {
    sessionStorage.removeItem(STORAGE_KEY)
  }
}

function read () {
  try {
    return JSON.parse(sessionStorage.getItem(STORAGE_KEY))
  } catch {
    return null
  }
}
