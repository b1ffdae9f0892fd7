/**
 * Returns an answer of the app as it is sent, by socket and by REST: null where there is none. Hot: most answers are returned as they are.
 *
 * @throws TypeError for a value that JSON leaves out: a function, a symbol, an object whose `toJSON` returns one or nothing
 */
export function sentAnswer (data: unknown): unknown {
  if (data === undefined || data === null) return null
  if (typeof data !== 'function' && typeof data !== 'symbol' && (data as { toJSON?: unknown }).toJSON === undefined) return data
  const json = JSON.stringify(data) as string | undefined
  if (json === undefined) throw new TypeError('JSON leaves out the answer of the handler')
  return JSON.parse(json)
}
