import type { ChoicesField, Field, GroupField, NumberField, TextField } from './fields.js'
import { instantOf } from './zoned-time.js'

/** Reason why a value is refused. */
export type FaultReason =
  | 'required' | 'notChosen' | 'mustAgree' | 'tooShort' | 'tooLong' | 'pattern' | 'notADate' | 'notANumber' | 'notAnInteger'
  | 'tooSmall' | 'tooLarge' | 'notAbove' | 'notBelow' | 'notAMultiple' | 'tooFew' | 'tooMany' | 'notJson'

/** A fault of an entered value. @property limit the limit that it exceeds, if the reason is one */
export interface EntryFault { path: string, reason: FaultReason, limit?: number }

/**
 * Content of a control: its text; null for a text that the control itself rejects; a boolean for a checkbox; the index, or the indexes, of the
 * choices; for a group the entries of its fields, by name.
 */
export type Entry = string | null | boolean | number | readonly number[] | { readonly [name: string]: Entry }

/** The entered value, as JSON. @property value undefined: none */
export interface Entered { value: unknown, faults: readonly EntryFault[] }

const NOTHING: Entered = { value: undefined, faults: [] }

/** Reads what was entered into a field. */
export function readEntry (field: Field, entry: Entry, timeZone: string): Entered {
  if (field.kind === 'fixed') return { value: field.value, faults: [] }
  if (field.kind === 'boolean' && typeof entry === 'boolean') return checked(field, entry)
  if (field.kind === 'group') return group(field, entry as Record<string, Entry>, timeZone)
  if (field.kind === 'choices') return choices(field, entry as readonly number[])
  if (entry === null) return fault(field, field.kind === 'number' ? 'notANumber' : 'notADate')
  if (entry === '') return empty(field)
  if (field.kind === 'choice') return { value: field.choices[entry as number]!.value, faults: [] }
  const text = entry as string
  switch (field.kind) {
    case 'boolean': return { value: text === 'true', faults: [] }
    case 'number': return number(field, text)
    case 'text': return textOf(field, text, timeZone)
    case 'json': return json(field, text)
  }
}

function fault (field: Field, reason: FaultReason, limit?: number): Entered {
  return { value: undefined, faults: [{ path: field.path, reason, ...limit !== undefined && { limit } }] }
}

/** A text that is required must not be empty, unless the schema says that it may be. */
function empty (field: Field): Entered {
  if (!field.isRequired) return NOTHING
  if (field.isNullable) return { value: null, faults: [] }
  if (field.kind === 'text' && field.minLength === 0) return { value: '', faults: [] }
  return fault(field, field.kind === 'choice' ? 'notChosen' : 'required')
}

function checked (field: Field & { kind: 'boolean' }, isChecked: boolean): Entered {
  if (!field.mustBeTrue || isChecked) return { value: isChecked, faults: [] }
  return field.isRequired ? fault(field, 'mustAgree') : NOTHING
}

function textOf (field: TextField, text: string, timeZone: string): Entered {
  const { minLength, maxLength, pattern, input } = field
  // As the server counts: in UTF-16 code units, not in code points as JSON Schema says.
  const { length } = text
  if (minLength !== null && length < minLength) return fault(field, 'tooShort', minLength)
  if (maxLength !== null && length > maxLength) return fault(field, 'tooLong', maxLength)
  if (pattern !== null && !matches(pattern, text)) return fault(field, 'pattern')
  if (input !== 'date-time') return { value: text, faults: [] }
  const instant = instantOf(text, timeZone)
  return instant === null ? fault(field, 'notADate') : { value: instant, faults: [] }
}

/** A pattern that the browser cannot compile is left to the server. */
function matches (pattern: string, text: string): boolean {
  try {
    return new RegExp(pattern, 'u').test(text)
  } catch {
    return true
  }
}

function number (field: NumberField, text: string): Entered {
  const { isInteger, minimum, maximum, above, below, multipleOf } = field
  const value = Number(text)
  if (!Number.isFinite(value)) return fault(field, 'notANumber')
  if (isInteger && !Number.isInteger(value)) return fault(field, 'notAnInteger')
  if (minimum !== null && value < minimum) return fault(field, 'tooSmall', minimum)
  if (maximum !== null && value > maximum) return fault(field, 'tooLarge', maximum)
  if (above !== null && value <= above) return fault(field, 'notAbove', above)
  if (below !== null && value >= below) return fault(field, 'notBelow', below)
  if (multipleOf !== null && !isMultiple(value, multipleOf)) return fault(field, 'notAMultiple', multipleOf)
  return { value, faults: [] }
}

/** 0.3 is a multiple of 0.1, although their quotient is 2.9999999999999996. */
function isMultiple (value: number, of: number): boolean {
  const quotient = value / of
  return Math.abs(quotient - Math.round(quotient)) < 1e-9 * Math.max(1, Math.abs(quotient))
}

function choices (field: ChoicesField, chosen: readonly number[]): Entered {
  const { minItems, maxItems, isRequired, isNullable } = field
  if (chosen.length === 0 && (!isRequired || (isNullable && minItems > 0))) return empty(field)
  if (chosen.length < minItems) return fault(field, 'tooFew', minItems)
  if (maxItems !== null && chosen.length > maxItems) return fault(field, 'tooMany', maxItems)
  return { value: chosen.map((index) => field.choices[index]!.value), faults: [] }
}

function json (field: Field, text: string): Entered {
  try {
    return { value: JSON.parse(text), faults: [] }
  } catch {
    return fault(field, 'notJson')
  }
}

/** An optional group is left out if nothing is entered in it. */
function group (field: GroupField, entries: { readonly [name: string]: Entry }, timeZone: string): Entered {
  if ((!field.isRequired || field.isNullable) && field.fields.every((inner) => isEmpty(inner, entries[inner.name]!))) return empty(field)
  const read = field.fields.map((inner) => [inner.name, readEntry(inner, entries[inner.name] ?? '', timeZone)] as const)
  return {
    // By definition, so that "__proto__" is a field as any other.
    value: Object.fromEntries(read.filter(([, { value }]) => value !== undefined).map(([name, { value }]) => [name, value])),
    faults: read.flatMap(([, { faults }]) => faults)
  }
}

function isEmpty (field: Field, entry: Entry | undefined): boolean {
  if (field.kind === 'fixed') return true
  if (field.kind === 'group') return field.fields.every((inner) => isEmpty(inner, (entry as Record<string, Entry>)[inner.name]))
  return entry === undefined || entry === '' || entry === false || (Array.isArray(entry) && entry.length === 0)
}
