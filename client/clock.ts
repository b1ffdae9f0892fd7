/** The server's clock, as far as pings tell: the clock of a device may be minutes off. */
export class ServerClock {
  #skewMs = 0

  /** @param serverTime what the server said between the two times of this device */
  learn (serverTime: number, sentAt: number, heardAt: number): void {
    this.#skewMs = serverTime - (sentAt + heardAt) / 2
  }

  /** Milliseconds since 1970. */
  get now (): number {
    return Date.now() + this.#skewMs
  }
}
