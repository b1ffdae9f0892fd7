export class AvailabilityNotice {
  #strip = document.getElementById('availability-strip')
  #text = document.getElementById('availability-text')

  show (isAvailable) {
    this.#strip.hidden = isAvailable
    this.#text.textContent = isAvailable
      ? ''
      : 'Part of the service is out of reach. You stay connected; what you send now may be refused.'
  }

  reset () {
    this.show(true)
  }
}
