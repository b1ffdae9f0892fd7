export class Identity {
  #userId = null
  // Every reconnect gets a new client id, and an answer sent before it is still ours.
  #clientIds = new Set()

  learn ({ client_id: clientId, user_id: userId }) {
    this.#userId = userId
    this.#clientIds.add(clientId)
  }

  reset () {
    this.#userId = null
    this.#clientIds.clear()
  }

  // 'you', 'window' (you, elsewhere), 'other', or null when nobody in particular did it.
  relation (by) {
    if (!by) return null
    if (by.client_id && this.#clientIds.has(by.client_id)) return 'you'
    if (by.user_id !== this.#userId) return 'other'
    return by.client_id ? 'window' : 'you'
  }
}
