/** RFC 6455 section 5.5: a control frame holds 125 bytes, two of which are the code. */
const REASON_BYTES = 123

/** Cuts a close reason to the bytes that fit, never inside a character. */
export function fitReason (reason: string): string {
  const bytes = Buffer.from(reason)
  let end = REASON_BYTES
  // A byte 10xxxxxx continues a UTF-8 character: step back to where that character starts. A shorter reason has no byte there.
  while ((bytes[end]! & 0xc0) === 0x80) end--
  return bytes.toString('utf8', 0, end)
}
