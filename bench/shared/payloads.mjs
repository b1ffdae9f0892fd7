/*
 * What the application publishes, the same for every peer. `seq` and `at` have a fixed number of digits, so that the load
 * generator finds them without a search.
 */

/** The message's type, or the name of its event. */
export const MESSAGE_TYPE = 'bench.message'
/** The type of a request that is answered. */
export const REQUEST_TYPE = 'bench.echo'
/** The first sequence number of a round. It and those that follow have seven digits. */
export const FIRST_SEQ = 1_000_000

const TEXT = 'The import of the customer list has reached the next file; 400 of 1000 rows are read, 3 are wrong and wait for you'
const BLOCK = 'x'.repeat(10 * 1024 - 80)
const CITIES = ['Amsterdam', 'Barcelona', 'Copenhagen', 'Dublin', 'Edinburgh', 'Florence', 'Gothenburg', 'Hamburg']

/** The fields of a message by the name of its payload. */
export const payloads = {
  /** About 200 bytes with the peer's own encoding around it. */
  text: (seq, at) => ({ seq, at, text: TEXT, level: 'info' }),
  /** 10 KiB. */
  block: (seq, at) => ({ seq, at, text: BLOCK }),
  /** About 2 kB of rows, as a table view gets them: the names repeat, the numbers do not. */
  rows: (seq, at) => ({ seq, at, rows: Array.from({ length: 22 }, (_, index) => row(seq * 31 + index * 7919)) })
}

/** The fields of a request besides its id. */
export const REQUEST = { text: TEXT }

function row (n) {
  return {
    order: 100_000 + n % 899_999,
    city: CITIES[n % CITIES.length],
    price: (n * 48_271 % 100_000) / 100,
    state: n % 3 === 0 ? 'shipped' : 'waiting'
  }
}
