/** A number of `count` decimal digits; NaN where there is something else. */
export function readDigits (chunk, at, count) {
  let value = 0
  for (let n = at; n < at + count; n++) {
    const digit = chunk[n] - 0x30
    if (!(digit >= 0 && digit <= 9)) return NaN
    value = value * 10 + digit
  }
  return value
}
