/*
 * One clock for all processes of a run, in microseconds since 1970. `performance.timeOrigin` is read once when a process
 * starts, and would be off by what the machine's clock was corrected since; so every round begins by reading it anew.
 */
let offsetMs = performance.timeOrigin

/** Waits for the next tick of the wall clock, at most a millisecond, and takes it as the origin. */
export function calibrate () {
  const before = Date.now()
  let wallMs = before
  while (wallMs === before) wallMs = Date.now()
  offsetMs = wallMs - performance.now()
}

export function nowMicros () {
  return Math.round((offsetMs + performance.now()) * 1000)
}
