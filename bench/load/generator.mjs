/*
 * The load generator, a process of its own: raw sockets that count frames. It is told what to do by lines of JSON.
 */
import { calibrate } from '../shared/clock.mjs'
import { serveCommands } from '../shared/lines.mjs'
import { Group } from './group.mjs'
import { Jitter } from './jitter.mjs'

const groups = new Map()

serveCommands({
  connect: ({ group, dialect, isReturning = false, ...options }) => {
    groups.set(group, isReturning ? new Jitter(dialect) : new Group(dialect))
    return groups.get(group).connect(options)
  },
  expect: ({ group, ...options }) => {
    calibrate()
    groups.get(group).expect(options)
  },
  delivered: ({ group }) => groups.get(group).delivered(),
  requests: ({ group, ...options }) => groups.get(group).requests(options),
  answer: ({ group }) => groups.get(group).answer(),
  jitter: ({ group, ...options }) => groups.get(group).run(options),
  close: ({ group }) => {
    const result = groups.get(group).close()
    groups.delete(group)
    return result
  }
})
