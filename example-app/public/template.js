export function stamp (id) {
  const root = document.getElementById(id).content.firstElementChild.cloneNode(true)
  const parts = {}
  for (const node of root.querySelectorAll('[data-part]')) parts[node.dataset.part] = node
  return { root, parts }
}
