type Attributes = Readonly<Record<string, string | number | boolean | null | undefined>>

/**
 * Elements of browsers by their tag names. Those of this package are not among them: their own types are still being inferred where they
 * are made of others.
 */
type Tags = { [K in keyof HTMLElementTagNameMap as K extends `ws-${string}` ? never : K]: HTMLElementTagNameMap[K] }

/** Makes an element. An attribute that is true is empty; one that is false, null or undefined is not there. */
export function h<K extends keyof Tags> (tag: K, attributes: Attributes = {}, ...children: readonly (Node | string | null)[]): Tags[K] {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) setAttribute(element, name, value)
  element.append(...children.filter((child) => child !== null))
  return element
}

/** Sets an attribute, or takes it away. */
export function setAttribute (element: Element, name: string, value: string | number | boolean | null | undefined): void {
  if (value === false || value === null || value === undefined) element.removeAttribute(name)
  else element.setAttribute(name, value === true ? '' : String(value))
}

/** Sets a text only where it changes: a screen reader would read the same one again. */
export function setText (element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text
}

let last = 0

/** An id that no other element of the page has. */
export function newId (name: string): string {
  return `ws-${name}-${++last}`
}

/** The value of `lang` that applies to an element, or the language of the browser. */
export function langOf (element: Element): string {
  for (let node: Element | null = element; node !== null;) {
    const found: Element | null = node.closest('[lang]')
    if (found !== null && isLang(found.getAttribute('lang')!)) return found.getAttribute('lang')!
    const root = node.getRootNode()
    node = root instanceof ShadowRoot ? root.host : null
  }
  return navigator.language
}

/** False for '' and for what Intl would throw at. */
function isLang (lang: string): boolean {
  try {
    return Intl.getCanonicalLocales(lang).length > 0
  } catch {
    return false
  }
}
