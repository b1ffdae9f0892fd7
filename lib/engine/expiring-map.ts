/** A map whose entries expire. One timer serves all entries; none runs while it is empty. */
export class ExpiringMap<K, V> {
  // In order of expiry: all entries have the same lifetime, so the oldest is always first.
  readonly #entries = new Map<K, { value: V, expiresAt: number }>()
  readonly #lifeMs: number
  readonly #onExpired: (value: V) => void
  #timer: NodeJS.Timeout | null = null

  /**
   * @param lifeMs lifetime of an entry since it was last set
   * @param onExpired called with expired values, but not with deleted ones
   */
  constructor (lifeMs: number, onExpired: (value: V) => void = () => {}) {
    this.#lifeMs = lifeMs
    this.#onExpired = onExpired
  }

  get size (): number {
    return this.#entries.size
  }

  set (key: K, value: V): void {
    this.#entries.delete(key)
    this.#entries.set(key, { value, expiresAt: performance.now() + this.#lifeMs })
    if (this.#timer === null) this.#sweepIn(this.#lifeMs)
  }

  get (key: K): V | undefined {
    return this.#entries.get(key)?.value
  }

  delete (key: K): void {
    this.#entries.delete(key)
    if (this.#entries.size === 0) this.#stop()
  }

  * values (): IterableIterator<V> {
    for (const entry of this.#entries.values()) yield entry.value
  }

  clear (): void {
    this.#entries.clear()
    this.#stop()
  }

  #sweepIn (ms: number): void {
    // Expiry must not keep the process alive.
    this.#timer = setTimeout(() => this.#sweep(), ms).unref()
  }

  #stop (): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  #sweep (): void {
    const now = performance.now()
    this.#timer = null
    for (const [key, { value, expiresAt }] of this.#entries) {
      if (expiresAt > now) {
        this.#sweepIn(Math.ceil(expiresAt - now))
        return
      }
      this.#entries.delete(key)
      this.#onExpired(value)
    }
  }
}
