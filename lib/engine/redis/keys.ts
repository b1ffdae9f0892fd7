import { slotOf, tagOf } from './slots.js'

/**
 * The names of everything in Redis. All keys of a topic share a hash tag, and so does its channel: a script finds what it
 * needs in one slot of a cluster.
 */
export class Keys {
  readonly #prefix: string
  readonly #isCluster: boolean

  constructor (prefix: string, database: number, isCluster: boolean) {
    this.#isCluster = isCluster
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

  /** Where streams begin that have no keys, and which of them may not begin there: one for all, in a cluster for each slot. */
  beginnings (topic: string): [epoch: string, forgotten: string] {
    const base = `${this.#prefix}:beginnings:{${this.#tagOf(topic)}}`
    return [`${base}:epoch`, `${base}:forgotten`]
  }

  /** The lane that counts the scripts on a topic's keys: one for all, in a cluster one for each slot. */
  lane (topic: string): string {
    return `${this.#prefix}:lane:{${this.#tagOf(topic)}}`
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

  /** The term of each node. */
  get terms (): string {
    return `${this.#prefix}:{nodes}:terms`
  }

  /** Which layout each node knows, and under `used` the latest one that all nodes knew at some time. */
  get layouts (): string {
    return `${this.#prefix}:{nodes}:layouts`
  }

  /** Dead nodes that are still in channels, each with the time until which another node is removing it. */
  get dead (): string {
    return `${this.#prefix}:{nodes}:dead`
  }

  /** In which channels a node has sockets. */
  channelsOf (nodeId: string): string {
    return `${this.#prefix}:{nodes}:channels:${nodeId}`
  }

  /** Key and channel with which Redis is probed; the tag chooses the server of a cluster. */
  probe (tag: string): [key: string, channel: string] {
    return [`${this.#prefix}:{${tag}}:probe`, `${this.#prefix}:probe:{${tag}}`]
  }

  /** Pattern that all names of keys and channels match. */
  get pattern (): string {
    return `${this.#prefix}:*`
  }

  /** Channel of requests to all nodes. */
  get requests (): string {
    return `${this.#prefix}:cluster`
  }

  /** Channel of the responses to a node. */
  responses (nodeId: string): string {
    return `${this.#prefix}:cluster:${nodeId}`
  }

  #tagOf (topic: string): string {
    // Of a topic with a brace only what is before it is the hash tag.
    return this.#isCluster ? tagOf(slotOf(topic.split('}', 1)[0]!)) : 'all'
  }
}
