/** The server's clock, as far as pings tell: the clock of a device may be minutes off. */
export class ServerClock {
  #skewMs = 0

  /** @param roundTripMs between the question and this answer */
  learn (serverTime: number, roundTripMs: number): void {
    this.#skewMs = serverTime + roundTripMs / 2 - Date.now()
  }

  /** Milliseconds since 1970. */
  get now (): number {
    return Date.now() + this.#skewMs
  }
}
