import { FormatRegistry } from '@sinclair/typebox'
import { Get as standardFormat, Has as hasStandardFormat } from 'typebox/format'

/** Maximum length of a text that a standard format of international names is asked about; a longer one does not match. */
export const MAX_INTERNATIONAL_TEXT = 2_000
/** They normalize the text, which takes 0.9 s for 64 KiB of combining marks; the other standard formats take 8 ms at the most. */
const INTERNATIONAL: readonly string[] = ['idn-email', 'idn-hostname', 'iri', 'iri-reference', 'url']

/** Returns true for a format that the app has defined in TypeBox's FormatRegistry, and for a standard one. */
export function hasFormat (name: string): boolean {
  return FormatRegistry.Has(name) || hasStandardFormat(name)
}

/** Checks a text. The app's own definition goes before the standard one; both are looked up each time, since an app may redefine them. */
export function matchesFormat (name: string, text: string): boolean {
  const own = FormatRegistry.Get(name)
  if (own !== undefined) return own(text)
  return !(INTERNATIONAL.includes(name) && text.length > MAX_INTERNATIONAL_TEXT) && standardFormat(name)?.(text) === true
}
