import { h, newId, setAttribute, setText } from './dom.js'
import type { Choice, ChoiceField, ChoicesField, Field, JsonField, NumberField, TextField } from './fields.js'
import type { Texts } from './texts.js'
import type { Entry } from './values.js'
import { localOf } from './zoned-time.js'

/** Texts and time zone of a form. */
export interface FormContext { words: Texts, timeZone: string }

/** The part of a form that is for one field. */
export interface Control {
  readonly element: HTMLElement
  read (): Entry
  /** Shows a fault beside the field; '' removes it. */
  setFault (text: string): void
  focus (): void
}

/** Maximum number of choices shown as radio buttons; more are a list. */
const MAX_RADIOS = 5

/** Makes the control of a field without fields of its own. */
export function controlOf (field: Exclude<Field, { kind: 'group' | 'fixed' }>, context: FormContext): Control {
  const { words } = context
  switch (field.kind) {
    case 'text': return textControl(field, context)
    case 'number': return numberControl(field, words)
    case 'json': return jsonControl(field, words)
    case 'choices': return checkboxes(field, words)
    case 'choice': return choice(field, words)
    case 'boolean': {
      if (!field.canBeUnset) return checkbox(field, words)
      const choices = [{ value: true, label: words.yes }, { value: false, label: words.no }]
      const control = choice({ ...field, kind: 'choice', choices }, words)
      return { ...control, read: () => ({ '': '', 0: 'true', 1: 'false' })[String(control.read())] ?? '' }
    }
  }
}

function textControl (field: TextField, { words, timeZone }: FormContext): Control {
  const { input: type, isRequired } = field
  const given = type === 'date-time' ? localOf(field.default, timeZone) : typeof field.default === 'string' ? field.default : ''
  const input = type === 'long'
    ? h('textarea', { rows: 4, required: isRequired })
    : h('input', { type: type === 'date-time' ? 'datetime-local' : type, required: isRequired })
  input.value = given
  return labelled(field, input, words, type === 'date-time' ? words.timeZone(timeZone) : null, () => input.validity.badInput ? null : input.value)
}

function numberControl (field: NumberField, words: Texts): Control {
  const { isInteger, minimum, maximum, multipleOf, isRequired } = field
  const input = h('input', { type: 'number', inputmode: isInteger ? 'numeric' : 'decimal', step: multipleOf ?? (isInteger ? 1 : 'any'), min: minimum, max: maximum, required: isRequired })
  if (typeof field.default === 'number') input.value = String(field.default)
  return labelled(field, input, words, null, () => input.validity.badInput ? null : input.value)
}

function jsonControl (field: JsonField, words: Texts): Control {
  const input = h('textarea', { rows: 4, required: field.isRequired, class: 'json', spellcheck: 'false', autocapitalize: 'off' })
  if (field.default !== undefined) input.value = JSON.stringify(field.default, null, 2)
  return labelled(field, input, words, words.json, () => input.value.trim())
}

function checkbox (field: Field, words: Texts): Control {
  const input = h('input', { type: 'checkbox', required: field.kind === 'boolean' && field.mustBeTrue && field.isRequired, part: 'input' })
  input.checked = field.default === true
  const { parts, describe, error } = surroundings(field, null)
  const element = h('div', { class: 'field', part: 'field' }, h('label', { class: 'option', part: 'label' }, input, h('span', {}, ...labelParts(field, words))), ...parts)
  describe(input)
  return { element, read: () => input.checked, setFault: (text) => mark([input], error, text), focus: () => input.focus() }
}

function choice (field: ChoiceField, words: Texts): Control {
  const { choices, isRequired } = field
  const selected = choices.findIndex(({ value }) => isSame(value, field.default))
  if (isRequired && choices.length <= MAX_RADIOS) return radios(field, selected, words)
  const select = h('select', { required: isRequired }, h('option', { value: '' }, words.choose), ...choices.map(({ label }, i) => h('option', { value: i }, label)))
  select.value = selected < 0 ? '' : String(selected)
  return labelled(field, select, words, null, () => select.value === '' ? '' : Number(select.value))
}

function radios (field: ChoiceField, selected: number, words: Texts): Control {
  const name = newId('radio')
  const { inputs, options } = optionsOf(field.choices, 'radio', (i) => i === selected, name)
  const { element, error } = fieldset(field, options, words, { role: 'radiogroup', 'aria-required': String(field.isRequired) })
  return {
    element,
    read: () => inputs.some(({ checked }) => checked) ? inputs.findIndex(({ checked }) => checked) : '',
    setFault: (text) => mark([element], error, text),
    focus: () => (inputs.find(({ checked }) => checked) ?? inputs[0]!).focus()
  }
}

function checkboxes (field: ChoicesField, words: Texts): Control {
  const given: readonly unknown[] = Array.isArray(field.default) ? field.default : []
  const { inputs, options } = optionsOf(field.choices, 'checkbox', (i) => given.some((value) => isSame(value, field.choices[i]!.value)))
  const { element, error } = fieldset(field, options, words)
  return {
    element,
    read: () => inputs.flatMap(({ checked }, i) => checked ? [i] : []),
    setFault: (text) => mark(inputs, error, text),
    focus: () => inputs[0]?.focus()
  }
}

function optionsOf (choices: readonly Choice[], type: 'radio' | 'checkbox', isChecked: (i: number) => boolean, name: string | null = null) {
  const inputs = choices.map((_choice, i) => {
    const input = h('input', { type, name, value: i, part: 'input' })
    input.checked = isChecked(i)
    return input
  })
  return { inputs, options: choices.map(({ label }, i) => h('label', { class: 'option', part: 'option' }, inputs[i]!, h('span', {}, label))) }
}

/** A group of controls with a legend, as a field of its own. */
function fieldset (field: Field, options: readonly HTMLElement[], words: Texts, attributes: Record<string, string> = {}): { element: HTMLElement, error: HTMLElement } {
  const { parts, describe, error } = surroundings(field, null)
  const legend = h('legend', { id: newId('legend'), part: 'label' }, ...labelParts(field, words))
  const element = h('fieldset', { class: 'field', part: 'field', 'aria-labelledby': legend.id, ...attributes }, legend, ...options, ...parts)
  describe(element)
  return { element, error }
}

/** A control with its label before it. */
function labelled (field: Field, input: HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement, words: Texts, hint: string | null, read: () => Entry): Control {
  input.id = newId('field')
  input.setAttribute('part', 'input')
  const { parts, describe, error } = surroundings(field, hint)
  const element = h('div', { class: 'field', part: 'field' }, h('label', { for: input.id, part: 'label' }, ...labelParts(field, words)), input, ...parts)
  describe(input)
  return { element, read, setFault: (text) => mark([input], error, text), focus: () => input.focus() }
}

/** The text of a label, with a note where the field may be left empty. */
export function labelParts (field: Field, words: Texts): (Node | string)[] {
  const isOptional = !field.isRequired && !(field.kind === 'boolean' && !field.canBeUnset && !field.mustBeTrue)
  const label = field.label === '' ? words.answerLabel : field.label
  return isOptional ? [label, ' ', h('span', { class: 'optional' }, `(${words.optional})`)] : [label]
}

/** The description, hint and fault of a field, and what ties them to its control. */
function surroundings (field: Field, hint: string | null): { parts: HTMLElement[], error: HTMLElement, describe: (control: HTMLElement) => void } {
  const texts = [field.description, hint].filter((text) => text !== null)
  const notes = texts.map((text) => h('p', { class: 'muted', part: 'description', id: newId('note') }, text))
  const error = h('p', { class: 'error', part: 'error', id: newId('error') })
  const parts = [...notes, error]
  return { parts, error, describe: (control) => control.setAttribute('aria-describedby', parts.map(({ id }) => id).join(' ')) }
}

function mark (controls: readonly HTMLElement[], error: HTMLElement, text: string): void {
  setText(error, text)
  for (const control of controls) setAttribute(control, 'aria-invalid', text === '' ? null : 'true')
}

function isSame (a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
