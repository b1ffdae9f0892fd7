/**
 * Compiles a name pattern in which `*` stands for any text; null: not a valid pattern. Matching takes time linear in the name:
 * names come from clients, and a regular expression might not be linear.
 */
export function namePattern (pattern: unknown): ((name: string) => boolean) | null {
  if (typeof pattern !== 'string' || pattern === '' || pattern.length > 200 || pattern.includes('**')) return null
  const [head, ...rest] = pattern.split('*') as [string, ...string[]]
  const tail = rest.pop()
  if (tail === undefined) return (name) => name === pattern
  return (name) => {
    if (!name.startsWith(head) || !name.endsWith(tail) || name.length < head.length + tail.length) return false
    const end = name.length - tail.length
    let from = head.length
    for (const part of rest) {
      const at = name.indexOf(part, from)
      if (at === -1 || at + part.length > end) return false
      from = at + part.length
    }
    return true
  }
}
