import { readFileSync, readdirSync } from 'node:fs'

/** Of /proc/<pid>/stat; 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

/**
 * CPU time that a process has used, user and system, all of its threads, in microseconds. From the scheduler's own
 * account, in nanoseconds; where the kernel keeps none, from `stat`, in hundredths of a second.
 */
export function cpuMicros (pid) {
  try {
    return readdirSync(`/proc/${pid}/task`)
      .map((thread) => Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0]) / 1000)
      .reduce((sum, micros) => sum + micros, 0)
  } catch {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) * 1e6 / TICKS_PER_SECOND
  }
}

/** Resident memory in bytes. */
export function residentBytes (pid) {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))[1]) * 1024
}

/** Resolves when a process does next to nothing, at the latest after five seconds. */
export async function settled (pid) {
  for (let n = 0; n < 25; n++) {
    const before = cpuMicros(pid)
    await new Promise((resolve) => setTimeout(resolve, 200))
    if (cpuMicros(pid) - before < 6_000) return
  }
}
