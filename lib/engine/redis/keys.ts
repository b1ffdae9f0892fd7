import { slotOf, tagOf } from './slots.js'

/** Names of all keys and channels in Redis. A topic's keys and channel share a hash tag, so a script finds what it needs in one slot of a cluster. */
export class Keys {
  readonly #prefix: string
  readonly #isCluster: boolean

  constructor (prefix: string, database: number, isCluster: boolean) {
    this.#isCluster = isCluster
    this.#prefix = database === 0 ? prefix : `${prefix}@${database}`
  }

  /** Channel for publications on a topic. */
  channel (topic: string): string {
    return `${this.#prefix}:{${topic}}`
  }

  /** Topic of such a channel. */
  topicOf (channel: string): string {
    return channel.slice(this.#prefix.length + 2, -1)
  }

  /** Keys of a topic for scripts: its position and its history. */
  stream (topic: string): [position: string, log: string] {
    const base = this.channel(topic)
    return [`${base}:position`, `${base}:log`]
  }

  /**
   * Keys of streams that have not begun: their shared epoch, and the streams that must not begin in it. One pair for all, in a
   * cluster one per slot.
   */
  beginnings (topic: string): [epoch: string, forgotten: string] {
    const base = `${this.#prefix}:beginnings:{${this.#tagOf(topic)}}`
    return [`${base}:epoch`, `${base}:forgotten`]
  }

  /** Lane that counts the scripts on a topic's keys: one for all, in a cluster one per slot. */
  lane (topic: string): string {
    return `${this.#prefix}:lane:{${this.#tagOf(topic)}}`
  }

  /** Latest batch published by a node: on a topic, or with null on all topics. */
  publisher (topic: string | null, nodeId: string): string {
    return topic === null ? `${this.#prefix}:publisher:${nodeId}` : `${this.channel(topic)}:publisher:${nodeId}`
  }

  /** A call with an idempotency key. */
  call (key: string): string {
    return `${this.#prefix}:call:${key}`
  }

  presence (topic: string): [clients: string, users: string, nodes: string] {
    const base = this.channel(topic)
    return [`${base}:clients`, `${base}:users`, `${base}:nodes`]
  }

  /** Leases of all nodes. */
  get leases (): string {
    return `${this.#prefix}:{nodes}:leases`
  }

  /** Term of each node. */
  get terms (): string {
    return `${this.#prefix}:{nodes}:terms`
  }

  /** Layout known to each node; `used` is the latest one that all nodes ever knew at the same time. */
  get layouts (): string {
    return `${this.#prefix}:{nodes}:layouts`
  }

  /** Dead nodes still present in channels, each with the time until which another node is removing it. */
  get dead (): string {
    return `${this.#prefix}:{nodes}:dead`
  }

  /** Channels in which a node has sockets. */
  channelsOf (nodeId: string): string {
    return `${this.#prefix}:{nodes}:channels:${nodeId}`
  }

  /** Key and channel for probing Redis; the tag selects a cluster's server. */
  probe (tag: string): [key: string, channel: string] {
    return [`${this.#prefix}:{${tag}}:probe`, `${this.#prefix}:probe:{${tag}}`]
  }

  /** Pattern that matches all key and channel names. */
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
    // In a topic with a brace only the text before it is the hash tag.
    return this.#isCluster ? tagOf(slotOf(topic.split('}', 1)[0]!)) : 'all'
  }
}
