import { h } from './dom.js'
import type { Texts } from './texts.js'

const MAX_DEPTH = 4

/** Shows any JSON: fields by their names, lists as lists. Returns null for what has nothing to show. */
export function factsOf (value: unknown, words: Texts, depth = 0): HTMLElement | null {
  if (value === null || value === undefined || value === '') return null
  if (typeof value === 'boolean') return h('span', {}, value ? words.yes : words.no)
  if (typeof value !== 'object') return h('span', {}, String(value))
  if (depth > MAX_DEPTH) return h('code', {}, JSON.stringify(value))
  if (Array.isArray(value)) {
    const items = value.map((item) => factsOf(item, words, depth + 1)).filter((item) => item !== null)
    return items.length === 0 ? null : h('ul', { role: 'list' }, ...items.map((item) => h('li', {}, item)))
  }
  const rows = Object.entries(value).map(([name, part]) => [name, factsOf(part, words, depth + 1)] as const).filter(([, shown]) => shown !== null)
  return rows.length === 0 ? null : h('dl', {}, ...rows.flatMap(([name, shown]) => [h('dt', {}, name.replaceAll('_', ' ')), h('dd', {}, shown)]))
}
