import { ws } from './client.js'
import { byId, el } from './dom.js'

const PAGE_TITLE = document.title

/** Tells of questions that are out of sight, by a link to them. The element itself shows them and their forms. */
export function startQuestions () {
  let seen = 0
  const show = () => {
    const { length: count } = ws.confirmations.list
    document.title = count === 0 ? PAGE_TITLE : `(${count}) ${PAGE_TITLE}`
    byId('tasks-count').textContent = count === 0 ? '' : count
    // One that fills a small screen is in sight as well.
    const isSeen = seen > (count > 1 ? 0.95 : 0.4)
    const text = count === 1 ? '1 question' : `${count} questions`
    if (count === 0 || isSeen) byId('asked').replaceChildren()
    else if (byId('asked').textContent.startsWith(`${text} `) === false) byId('asked').replaceChildren(el('a', { href: '#questions-title', 'data-testid': 'question-link' }, text, el('span', { class: 'wide' }, count === 1 ? ' waits for you' : ' wait for you')))
  }
  const observer = new IntersectionObserver((entries) => {
    seen = entries.at(-1).intersectionRatio
    show()
  }, { threshold: [0, 0.2, 0.41, 0.6, 0.8, 0.96] })
  observer.observe(byId('questions'))
  const off = ws.confirmations.on('change', show)
  show()
  return () => {
    observer.disconnect()
    off()
    document.title = PAGE_TITLE
    byId('asked').replaceChildren()
  }
}
