/** Estimates the server's clock from pings: the clock of a device may be minutes off. */
export class ServerClock {
  #skewMs = 0

  /** @param serverTime milliseconds since 1970 @param roundTripMs between the ping and this pong */
  learn (serverTime: number, roundTripMs: number): void {
    this.#skewMs = serverTime + roundTripMs / 2 - Date.now()
  }

  /** Milliseconds since 1970; the device's own clock until the first pong. */
  get now (): number {
    return Date.now() + this.#skewMs
  }
}
