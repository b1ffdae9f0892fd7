/** State of a socket's WebSocket pings. */
export class Liveness {
  /** Time at which the latest ping was sent, or the socket opened, on the clock of `performance.now()`. */
  pingedAt = performance.now()
  /** True if that ping has no answer yet. */
  awaitsPong = false
  /** Bytes that had left the socket when that ping was sent. */
  flushedBytes = 0
  /** The latest round trip in milliseconds; null before the first. */
  rttMs: number | null = null

  /** Records that a ping is sent now, and returns its payload. */
  pinging (flushedBytes: number): string {
    this.pingedAt = performance.now()
    this.flushedBytes = flushedBytes
    this.awaitsPong = true
    return String(this.pingedAt)
  }

  /** Records a pong. Returns false if it answers an earlier ping, or none, and measures nothing. */
  ponged (data: string, now: number): boolean {
    if (data !== String(this.pingedAt)) return false
    this.awaitsPong = false
    this.rttMs = Math.round((now - this.pingedAt) * 100) / 100
    return true
  }

  /** Forgets a ping whose answer could not be read in time. */
  restart (): void {
    this.pingedAt = performance.now()
    this.awaitsPong = false
  }
}
