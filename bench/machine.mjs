import { availableParallelism, cpus, release, totalmem, type } from 'node:os'
import { versions } from './installation.mjs'

/** What the figures were measured on, and when. */
export function describeMachine () {
  return {
    date: new Date().toISOString(),
    cpu: cpus()[0].model.trim(),
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()} ${process.arch}`,
    versions: versions()
  }
}
