// What this page has of each stream, from whatever frame told it last, and so from where it goes on when it comes back.
export class StreamPositions {
  #positions = new Map()
  #held = new Set()

  // Returns the streams that do not go on from what the page has: { topic, had }, where `had` is null for one that is new.
  // What they are about is to be loaded.
  learn (frame) {
    switch (frame.type) {
      case 'connection': return frame.data.streams.flatMap((stream) => this.#enter(stream.topic, stream))
      case 'subscribed': return this.#enter(`channel:${frame.channel}`, frame)
      case 'gap': return this.#enter(frame.topic, frame)
    }
    const { stream } = frame
    if (stream && this.#positions.has(stream.topic) && !this.#held.has(stream.topic)) this.#set(stream.topic, stream)
    return []
  }

  // The page has this message already: it has the message's stream up to there, or further.
  hasSeen ({ stream }) {
    const had = stream === undefined ? null : this.get(stream.topic)
    return had !== null && had.epoch === stream.epoch && stream.offset <= had.offset
  }

  get (topic) {
    return this.#positions.get(topic) ?? null
  }

  // The page has the stream up to here (null: nothing of it), and what comes does not count until it goes on from somewhere.
  hold (topic, position) {
    if (position === null) this.#positions.delete(topic)
    else this.#set(topic, position)
    this.#held.add(topic)
  }

  goOn (topic, position) {
    this.#set(topic, position)
    this.#held.delete(topic)
  }

  isHeld (topic) {
    return this.#held.has(topic)
  }

  get snapshot () {
    return Object.fromEntries(this.#positions)
  }

  restore (snapshot) {
    for (const [topic, position] of Object.entries(snapshot)) this.#set(topic, position)
  }

  reset () {
    this.#positions.clear()
    this.#held.clear()
  }

  #enter (topic, { epoch, offset, recovered = false }) {
    const had = this.get(topic)
    // A stream that is not kept.
    if (epoch === null) return []
    this.goOn(topic, { epoch, offset })
    return recovered ? [] : [{ topic, had }]
  }

  #set (topic, { epoch, offset }) {
    this.#positions.set(topic, { epoch, offset })
  }
}
