const NOBODY = new Set()

/** Which sockets belong to which channel and user, for the peers that bring no rooms: `?user=…&channel=…`. */
export class Members {
  #channels = new Map()
  #users = new Map()

  /** Returns the undo. */
  add (socket, url) {
    const query = new URLSearchParams(url.slice(url.indexOf('?')))
    const groups = [[this.#users, query.get('user')], [this.#channels, query.get('channel')]].filter(([, name]) => name !== null)
    for (const [map, name] of groups) {
      if (map.has(name)) map.get(name).add(socket)
      else map.set(name, new Set([socket]))
    }
    return () => {
      for (const [map, name] of groups) {
        map.get(name).delete(socket)
        if (map.get(name).size === 0) map.delete(name)
      }
    }
  }

  ofChannel (name) { return this.#channels.get(name) ?? NOBODY }
  ofUser (name) { return this.#users.get(name) ?? NOBODY }
}
