import { stamp } from './template.js'

const TOAST_MS = 8_000
const MAX_TOASTS = 3
const SPOKEN_MS = 3_000

let silence = null

export function showError (text) {
  const list = document.getElementById('toasts')
  for (const toast of list.children) {
    if (toast.querySelector('p').textContent === text) toast.remove()
  }
  while (list.children.length >= MAX_TOASTS) list.firstElementChild.remove()

  const { root, parts } = stamp('toast-template')
  let timer = null
  const start = () => {
    clearTimeout(timer)
    timer = setTimeout(() => root.remove(), TOAST_MS)
  }
  const pause = () => clearTimeout(timer)
  root.addEventListener('mouseenter', pause)
  root.addEventListener('mouseleave', start)
  root.addEventListener('focusin', pause)
  root.addEventListener('focusout', start)
  parts.close.addEventListener('click', () => root.remove())

  // An alert is only announced when its text changes while it is in the document.
  list.append(root)
  parts.text.textContent = text
  start()
}

export function clearErrors () {
  document.getElementById('toasts').replaceChildren()
}

export function showFailure (what, error) {
  // The sign-in card already says that the session ended.
  if (error.status === 401) return
  showError(`${what}: ${error.message}`)
}

// Speaks without showing: the visible change is elsewhere, and often too chatty to be a live region itself.
export function speak (text) {
  const spoken = document.getElementById('spoken')
  spoken.textContent = text
  clearTimeout(silence)
  // Left there it would be found by reading on, and the same text would not be spoken twice.
  silence = setTimeout(() => { spoken.textContent = '' }, SPOKEN_MS)
}
