/** Number of slots of a Redis Cluster. */
const SLOTS = 16_384

/** CRC-16/XMODEM, from which Redis Cluster computes slots. */
function crc16 (bytes: Uint8Array): number {
  let crc = 0
  for (const byte of bytes) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = ((crc & 0x8000) === 0 ? crc << 1 : crc << 1 ^ 0x1021) & 0xffff
  }
  return crc
}

/** Returns the slot of all keys with this hash tag. */
export function slotOf (tag: string): number {
  return crc16(Buffer.from(tag)) % SLOTS
}

/** Returns the slot of a key or channel: by its hash tag, the text in its first braces, unless that is empty. */
export function slotOfKey (key: string): number {
  const from = key.indexOf('{') + 1
  const to = key.indexOf('}', from)
  return slotOf(from > 0 && to > from ? key.slice(from, to) : key)
}

let tags: string[] | null = null

/** Returns a short hash tag for a slot, for keys shared by the topics of that slot. The table is built on first use: 40 ms, once. */
export function tagOf (slot: number): string {
  if (tags === null) {
    tags = new Array<string>(SLOTS)
    for (let n = 0, found = 0; found < SLOTS; n++) {
      const tag = n.toString(36)
      const its = slotOf(tag)
      if (tags[its] !== undefined) continue
      tags[its] = tag
      found++
    }
  }
  return tags[slot]!
}
