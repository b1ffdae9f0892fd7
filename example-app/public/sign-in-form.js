// The server's own text names fields and patterns, which is for developers.
const BAD_NAME = 'A name begins with a letter and has at most 32 letters, digits, hyphens and underscores.'

export class SignInForm {
  #session
  #onSignedIn
  #section = document.getElementById('sign-in')
  #form = document.getElementById('login-form')
  #input = document.getElementById('username')
  #notice = document.getElementById('sign-in-notice')
  #error = document.getElementById('sign-in-error')
  #button = document.querySelector('#login-form button')

  constructor ({ session, onSignedIn }) {
    this.#session = session
    this.#onSignedIn = onSignedIn
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault()
      this.#signIn()
    })
    this.#input.addEventListener('input', () => this.#showError(''))
  }

  show (notice = '') {
    this.#section.hidden = false
    this.#notice.hidden = notice === ''
    this.#notice.textContent = notice
    this.#showError('')
    this.#input.focus()
  }

  hide () {
    this.#section.hidden = true
  }

  async #signIn () {
    if (this.#button.ariaDisabled === 'true') return
    this.#button.ariaDisabled = 'true'
    this.#showError('')
    try {
      await this.#session.open(this.#input.value.trim())
      this.#input.value = ''
      this.#onSignedIn()
    } catch (error) {
      this.#showError(error.status === 400 ? BAD_NAME : `You could not be signed in: ${error.message}`)
      this.#input.focus()
    } finally {
      this.#button.ariaDisabled = 'false'
    }
  }

  #showError (text) {
    this.#error.textContent = text
    if (text) this.#input.setAttribute('aria-invalid', 'true')
    else this.#input.removeAttribute('aria-invalid')
  }
}
