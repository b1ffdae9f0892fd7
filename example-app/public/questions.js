import { ws } from './client.js'
import { byId, el } from './dom.js'

const PAGE_TITLE = document.title

/** Tells of questions that are out of sight, by a link to them. The element itself shows them and their forms. */
export function startQuestions () {
  const asked = byId('asked')
  let seen = 0
  const show = () => {
    const { length: count } = ws.confirmations.list
    document.title = count === 0 ? PAGE_TITLE : `(${count}) ${PAGE_TITLE}`
    byId('tasks-count').textContent = count === 0 ? '' : count
    const isSeen = seen > (count > 1 ? 0.95 : 0.4)
    const [text, rest] = count === 0 || isSeen ? ['', ''] : count === 1 ? ['1 question', ' waits for you'] : [`${count} questions`, ' wait for you']
    // The same text is not read aloud again.
    if (asked.textContent === text + rest) return
    asked.replaceChildren(...text === '' ? [] : [el('a', { href: '#questions-title', 'data-testid': 'question-link' }, text, el('span', { class: 'wide' }, rest))])
  }
  const observer = new IntersectionObserver((entries) => {
    const { intersectionRatio, intersectionRect } = entries.at(-1)
    // One that is larger than the window is in sight where it fills it.
    seen = Math.max(intersectionRatio, intersectionRect.height / window.innerHeight)
    show()
  }, { threshold: [0, 0.2, 0.41, 0.6, 0.8, 0.96] })
  observer.observe(byId('questions'))
  const off = ws.confirmations.on('change', show)
  show()
  return () => {
    observer.disconnect()
    off()
    document.title = PAGE_TITLE
    asked.replaceChildren()
  }
}
