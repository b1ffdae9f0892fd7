/**
 * The names of everything in Redis. All keys of a topic share a hash tag, and so does its channel: a script finds what it
 * needs in one slot of a cluster.
 */
export class Keys {
  readonly #prefix: string

  constructor (prefix: string, database: number) {
    this.#prefix = database === 0 ? prefix : `${prefix}@${database}`
  }

  /** The channel on which a topic's publications go out. */
  channel (topic: string): string {
    return `${this.#prefix}:{${topic}}`
  }

  /** The topic of such a channel. */
  topicOf (channel: string): string {
    return channel.slice(this.#prefix.length + 2, -1)
  }

  /** What the scripts know of a topic: where it is, and its history. */
  stream (topic: string): [position: string, log: string] {
    const base = this.channel(topic)
    return [`${base}:position`, `${base}:log`]
  }

  /** What a node published last: on a topic, or on all of them with null. */
  publisher (topic: string | null, nodeId: string): string {
    return topic === null ? `${this.#prefix}:publisher:${nodeId}` : `${this.channel(topic)}:publisher:${nodeId}`
  }

  presence (topic: string): [clients: string, users: string, nodes: string] {
    const base = this.channel(topic)
    return [`${base}:clients`, `${base}:users`, `${base}:nodes`]
  }

  /** The leases of all nodes. */
  get leases (): string {
    return `${this.#prefix}:{nodes}:leases`
  }

  /** In which channels a node has sockets. */
  channelsOf (nodeId: string): string {
    return `${this.#prefix}:{nodes}:channels:${nodeId}`
  }

  /** Where all nodes are asked. */
  get questions (): string {
    return `${this.#prefix}:cluster`
  }

  /** Where a node gets what it asked for. */
  answers (nodeId: string): string {
    return `${this.#prefix}:cluster:${nodeId}`
  }
}
