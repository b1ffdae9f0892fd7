/** Names of one kind in a document: each is used once, and has only characters that a name may have there. */
export class Names {
  readonly #taken = new Set<string>()

  /** Returns the name, with a number where it is taken. */
  free (wanted: string): string {
    const allowed = wanted.replaceAll(/[^\w.-]/g, '_')
    let name = allowed
    for (let number = 2; this.#taken.has(name); number++) name = allowed + number
    this.#taken.add(name)
    return name
  }
}

/** Makes a name of words, each with a capital: `chat.send` becomes `ChatSend`. */
export function pascalCase (text: string): string {
  const name = text.split(/[^A-Za-z0-9]+/).map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('')
  return /^[A-Z]/.test(name) ? name : `Schema${name}`
}
