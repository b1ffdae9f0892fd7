import { controlOf, labelParts, type Control, type FormContext } from './controls.js'
import { h } from './dom.js'
import { fieldOf, type Field } from './fields.js'
import { readEntry, type Entry } from './values.js'

/** A fault of the answer, in words. @property path JSON Pointer, below `/answer` */
export interface Fault { path: string, text: string }

/** The form of a JSON Schema. */
export class AnswerForm {
  readonly element: HTMLElement
  readonly #field: Field
  readonly #context: FormContext
  readonly #lang: string
  /** Controls by the JSON Pointer of what they are for, in the order of the page. */
  readonly #controls = new Map<string, Control>()

  constructor (schema: object, context: FormContext, lang: string) {
    this.#context = context
    this.#lang = lang
    this.#field = fieldOf(schema)
    const element = this.#show(this.#field)
    this.element = h('div', { class: 'fields', part: 'fields' }, ...element === null ? [] : [element])
    for (const control of this.#controls.values()) {
      for (const event of ['input', 'change']) control.element.addEventListener(event, () => control.setFault(''))
    }
  }

  /** Reads the answer, and shows its faults beside the fields. Returns null if there are any. */
  read (): { answer: unknown } | null {
    const { value, faults } = readEntry(this.#field, this.#entry(this.#field), this.#context.timeZone)
    const { words } = this.#context
    const format = new Intl.NumberFormat(this.#lang)
    this.showFaults(faults.map(({ path, reason, limit }) => ({ path, text: words.faults[reason](limit === undefined ? '' : format.format(limit)) })))
    return faults.length > 0 ? null : { answer: value }
  }

  /** Shows faults beside their fields, in place of earlier ones. Returns those that belong to no field. */
  showFaults (faults: readonly Fault[]): Fault[] {
    const texts = new Map<Control, string[]>()
    const others: Fault[] = []
    for (const fault of faults) {
      const control = this.#controlFor(fault.path)
      if (control === null) others.push(fault)
      else texts.set(control, [...texts.get(control) ?? [], fault.text])
    }
    for (const control of this.#controls.values()) control.setFault((texts.get(control) ?? []).join(' '))
    return others
  }

  /** Number of fields with a fault. */
  get faultCount (): number {
    return [...this.#controls.values()].filter(hasFault).length
  }

  /** Moves the focus to the first field with a fault. Returns false if there is none. */
  focusFault (): boolean {
    const control = [...this.#controls.values()].find(hasFault)
    control?.focus()
    return control !== undefined
  }

  /** The field that a path is in: the server names places within a field, too. */
  #controlFor (path: string): Control | null {
    for (let place = path; place !== ''; place = place.slice(0, place.lastIndexOf('/'))) {
      const control = this.#controls.get(place)
      if (control !== undefined) return control
    }
    return null
  }

  #show (field: Field): HTMLElement | null {
    if (field.kind === 'fixed') return null
    if (field.kind !== 'group') {
      const control = controlOf(field, this.#context)
      this.#controls.set(field.path, control)
      return control.element
    }
    const fields = field.fields.map((inner) => this.#show(inner)).filter((element) => element !== null)
    // The answer itself needs no frame.
    const isNamed = field.name !== '' || field.label !== ''
    const description = field.description === null ? null : h('p', { class: 'muted', part: 'description' }, field.description)
    if (!isNamed) return h('div', { class: 'fields' }, description, ...fields)
    return h('fieldset', { class: 'fields group', part: 'group' }, h('legend', { part: 'label' }, ...labelParts(field, this.#context.words)), description, ...fields)
  }

  #entry (field: Field): Entry {
    if (field.kind === 'fixed') return ''
    if (field.kind !== 'group') return this.#controls.get(field.path)!.read()
    return Object.fromEntries(field.fields.map((inner) => [inner.name, this.#entry(inner)]))
  }
}

function hasFault ({ element }: Control): boolean {
  return element.matches('[aria-invalid]') || element.querySelector('[aria-invalid]') !== null
}
