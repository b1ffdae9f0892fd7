export const byId = (id) => document.getElementById(id)

/** Makes an element with properties (`class`, `data-…` and `aria-…` as attributes) and children. */
export function el (tag, properties = {}, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value
    else element.setAttribute(name, value)
  }
  element.append(...children)
  return element
}

/** Listens to a submit or a click, and to no other until what it does is done: an impatient one does nothing twice. */
export function handle (element, event, run) {
  let isBusy = false
  element[`on${event}`] = async (happened) => {
    happened.preventDefault()
    if (isBusy) return
    isBusy = true
    await run()
    isBusy = false
  }
}

/** A time of day, and the date where it is not today's, as the elements write it. */
export function timeText (ms) {
  const isToday = new Date(ms).toDateString() === new Date().toDateString()
  return new Intl.DateTimeFormat(document.documentElement.lang, { timeStyle: 'short', ...!isToday && { dateStyle: 'medium' } }).format(ms)
}

export function durationText (ms) {
  const [unit, unitMs] = ms < 120_000 ? ['second', 1_000] : ms < 7_200_000 ? ['minute', 60_000] : ['hour', 3_600_000]
  return new Intl.NumberFormat(document.documentElement.lang, { style: 'unit', unit, unitDisplay: 'long' }).format(Math.max(1, Math.round(ms / unitMs)))
}
