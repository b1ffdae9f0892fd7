// The fields of an answer, one for each property of its JSON Schema: choices, yes or no, numbers, and text for all else.
export class AnswerFields {
  #fields
  #isAsked

  constructor (schema, callbackId) {
    const { properties = {}, required = [] } = schema ?? {}
    this.#isAsked = schema !== undefined
    this.#fields = Object.entries(properties).map(([name, property]) => {
      const isRequired = required.includes(name)
      const input = inputFor(property, isRequired)
      input.id = `answer-${name}-${callbackId}`
      input.dataset.testid = `answer-${name}`
      input.required = isRequired && input.type !== 'checkbox'
      return { name, label: property.title ?? name.replaceAll('_', ' '), input }
    })
  }

  get elements () {
    return this.#fields.map(({ label: text, input }) => {
      const field = document.createElement('div')
      const label = document.createElement('label')
      field.className = 'field'
      label.htmlFor = input.id
      label.textContent = text
      field.append(label, input)
      return field
    })
  }

  // undefined: the question takes any answer, and none is given.
  get value () {
    if (!this.#isAsked) return undefined
    return Object.fromEntries(this.#fields.map(({ name, input }) => [name, valueOf(input)]).filter(([, value]) => value !== undefined))
  }
}

function inputFor (property, isRequired) {
  const choices = property.enum?.map((value) => ({ const: value })) ?? property.anyOf?.filter((choice) => 'const' in choice) ?? []
  if (choices.length > 0) {
    const select = document.createElement('select')
    if (!isRequired) select.append(option('', ''))
    select.append(...choices.map(({ const: value, title = value }) => option(title, JSON.stringify(value))))
    return select
  }
  const input = document.createElement('input')
  input.type = { boolean: 'checkbox', integer: 'number', number: 'number' }[property.type] ?? 'text'
  if (property.type === 'number') input.step = 'any'
  return input
}

function option (text, value) {
  const element = document.createElement('option')
  element.textContent = text
  element.value = value
  return element
}

function valueOf (input) {
  if (input.type === 'checkbox') return input.checked
  if (input.value === '') return undefined
  if (input.type === 'select-one') return JSON.parse(input.value)
  return input.type === 'number' ? input.valueAsNumber : input.value
}
