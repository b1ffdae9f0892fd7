import { byId, el } from './dom.js'

/**
 * Shows a bar below the header, where it covers nothing, in place of one of the same name. `kind`: its look; `onClose`: it can be closed; `action`:
 * the label and listener of a button.
 */
export function showBar (name, text, { kind = 'warning', label = '', onClose = null, action = null } = {}) {
  hideBar(name)
  const bar = el('div', { class: `bar ${kind}`, 'data-bar': name, 'data-testid': kind === 'announcement' ? kind : name })
  bar.append(el('p', {}, ...label === '' ? [] : [el('strong', {}, label), ' '], text))
  if (action !== null) bar.append(el('button', { type: 'button', onclick: action[1] }, action[0]))
  if (onClose !== null) {
    const close = () => { bar.remove(); onClose() }
    bar.append(el('button', { type: 'button', class: 'close', 'aria-label': `Dismiss: ${label || text}`, onclick: close }))
  }
  byId('bars').prepend(bar)
}

export function hideBar (name) {
  for (const bar of byId('bars').children) if (bar.dataset.bar === name) bar.remove()
}

export function hideAllBars () {
  byId('bars').replaceChildren()
}

/** Something has failed that has no place of its own. */
export function showFailure (text) {
  showBar('failure', text, { kind: 'failure', onClose: () => {} })
}
