const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
/** Units, the largest first: the first one that fits twice is used. */
const UNITS = [['day', DAY], ['hour', HOUR], ['minute', MINUTE], ['second', SECOND]] as const
/** Remaining times that are announced to screen readers: announcing every second would drown everything else. */
const ANNOUNCED = [5 * MINUTE, MINUTE, 15 * SECOND]

/** A duration in words of a language, in its largest unit. */
export function durationText (ms: number, lang: string): string {
  const [unit, unitMs] = UNITS.find(([, unitMs]) => ms >= 2 * unitMs) ?? UNITS[3]
  // Full units are left of all but the smallest, which ends at zero.
  const count = unit === 'second' ? Math.ceil(ms / unitMs) : Math.floor(ms / unitMs)
  return new Intl.NumberFormat(lang, { style: 'unit', unit, unitDisplay: 'long' }).format(count)
}

/** True if a countdown has come to a time that is announced. */
export function isAnnounced (beforeMs: number, nowMs: number): boolean {
  return ANNOUNCED.some((ms) => beforeMs > ms && nowMs <= ms)
}
