// Any JSON value as readable content: a flat object as a list of names and values, all else as text.
export function facts (value) {
  if (isFlat(value)) {
    const list = document.createElement('dl')
    list.className = 'facts'
    for (const [name, content] of Object.entries(value)) {
      const pair = document.createElement('div')
      const term = document.createElement('dt')
      const detail = document.createElement('dd')
      term.textContent = name.replaceAll('_', ' ')
      detail.textContent = typeof content === 'number' ? content.toLocaleString('en', { useGrouping: 'min2' }) : String(content)
      pair.append(term, detail)
      list.append(pair)
    }
    return list
  }
  const text = document.createElement('pre')
  text.className = 'raw'
  text.textContent = typeof value === 'string' ? value : JSON.stringify(value, null, 2)
  return text
}

export function isEmpty (value) {
  return value === null || value === undefined || value === '' ||
    (typeof value === 'object' && Object.keys(value).length === 0)
}

function isFlat (value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value) &&
    Object.values(value).every((content) => typeof content !== 'object' || content === null)
}
