export class RecoveryNotice {
  #strip = document.getElementById('recovery-strip')
  #text = document.getElementById('recovery-text')

  constructor () {
    document.getElementById('recovery-close').addEventListener('click', () => this.reset())
  }

  show () {
    this.#strip.hidden = false
    this.#text.textContent = 'What was sent while you were away could not be recovered. ' +
      'Tasks and questions are loaded anew; announcements may be missing.'
  }

  reset () {
    this.#strip.hidden = true
    this.#text.textContent = ''
  }
}
