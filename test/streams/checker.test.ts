import t from 'tap'
import { Checker, type StreamPosition } from '../fixtures/checker.js'

const at = (offset: number, epoch = 'a'): StreamPosition => ({ epoch, offset })
const CLEAN = {
  lost: 0, announced: 0, silentlyLost: 0, duplicated: 0, repeated: 0, reordered: 0, falselyRecovered: 0, strays: 0, falselyAcked: 0, examples: []
}

/** A run by hand: one stream, whose messages have their number as offset, and one client. */
function start () {
  const checker = new Checker()
  const journal = checker.journal('client')
  const publish = (count = 1, { except = [] as string[], acked = [] as string[], isTaken = true } = {}) => {
    for (; count > 0; count--) {
      const published = checker.publishing('all', 'p', except)
      if (isTaken) checker.accepted(published, acked)
    }
  }
  const enter = (offset: number, { asked = null, recovered = false, epoch = 'a' }: { asked?: StreamPosition | null, recovered?: boolean, epoch?: string } = {}) =>
    journal.write({ kind: 'entered', topic: 'all', position: at(offset, epoch), asked, recovered })
  const receive = (...numbers: number[]) => {
    for (const n of numbers) journal.write({ kind: 'received', topic: 'all', producer: 'p', n, position: at(n) })
  }
  const recover = (offset: number) => enter(offset, { asked: at(offset), recovered: true })
  /** Another client, which gets everything: so it is known where in the stream each message is. */
  const witness = (count: number) => {
    const other = checker.journal('witness')
    other.write({ kind: 'entered', topic: 'all', position: at(0), asked: null, recovered: false })
    for (let n = 1; n <= count; n++) other.write({ kind: 'received', topic: 'all', producer: 'p', n, position: at(n) })
  }
  journal.write({ kind: 'opened', clientId: 'socket' })
  return { checker, journal, publish, enter, receive, recover, witness }
}

t.test('the checker reports no loss for a client that got everything after its position', async (t) => {
  const { checker, publish, enter, receive, recover } = start()
  publish(2)
  enter(2)
  publish(3)
  receive(3, 4)
  recover(4)
  publish()
  receive(5, 6)
  t.match(checker.report(), { ...CLEAN, published: 6, sockets: 1, delivered: 4 })
})

t.test('the checker counts an unannounced missing message as silently lost, in the middle and at the end', async (t) => {
  for (const isKnown of [true, false]) {
    const { checker, publish, enter, receive, witness } = start()
    enter(0)
    publish(5)
    if (isKnown) witness(5)
    receive(1, 2, 4)
    t.match(checker.report(), { lost: 2, announced: 0, silentlyLost: 2, falselyRecovered: 0 })
  }
})

t.test('the checker counts a message missing after recovered true as a false promise, too', async (t) => {
  const { checker, publish, enter, receive, recover } = start()
  enter(0)
  publish(4)
  receive(1)
  recover(1)
  receive(3, 4)
  t.match(checker.report(), { silentlyLost: 1, falselyRecovered: 1 })
})

t.test('the checker counts a recovery from another position than the client\'s as a false promise', async (t) => {
  const { checker, enter } = start()
  enter(3)
  enter(5, { asked: at(3), recovered: true })
  t.match(checker.report(), { falselyRecovered: 1 })
})

t.test('the checker accepts recovered false and a gap as announcing losses before them only', async (t) => {
  for (const kind of ['entered', 'gap'] as const) {
    const { checker, journal, publish, enter, receive, witness } = start()
    enter(0)
    publish(6)
    witness(6)
    receive(1)
    if (kind === 'entered') enter(3, { asked: at(1) })
    else journal.write({ kind, topic: 'all', position: at(3) })
    receive(6)
    t.match(checker.report(), { lost: 4, announced: 2, silentlyLost: 2 })
  }
})

t.test('the checker accepts a new epoch as announcing losses before it', async (t) => {
  const { checker, publish, enter, receive } = start()
  enter(0)
  publish(3)
  receive(1)
  enter(0, { asked: at(1), epoch: 'b' })
  publish()
  t.match(checker.report(), { lost: 3, announced: 2, silentlyLost: 1 })
})

t.test('the checker accepts a dropped frame as announcing as many losses as it counts, at its place', async (t) => {
  const { checker, journal, publish, enter, receive } = start()
  enter(0)
  publish(8)
  receive(1)
  journal.write({ kind: 'dropped', count: 2 })
  receive(5, 8)
  t.match(checker.report(), { lost: 5, announced: 2, silentlyLost: 3 })
})

t.test('the checker does not accept the join of a stream that is not kept as an announcement', async (t) => {
  const { checker, journal, publish } = start()
  const enter = () => journal.write({ kind: 'entered', topic: 'all', position: null, asked: null, recovered: false })
  const receive = (n: number) => journal.write({ kind: 'received', topic: 'all', producer: 'p', n, position: null })
  enter()
  publish(3)
  receive(1)
  enter()
  receive(3)
  t.match(checker.report(), { lost: 1, announced: 0, silentlyLost: 1, falselyRecovered: 0 })
})

t.test('the checker counts duplicates in a new epoch separately', async (t) => {
  const { checker, journal, publish, enter, receive } = start()
  enter(0)
  publish()
  receive(1)
  journal.write({ kind: 'gap', topic: 'all', position: at(0, 'b') })
  journal.write({ kind: 'received', topic: 'all', producer: 'p', n: 1, position: at(1, 'b') })
  t.match(checker.report(), { repeated: 1, duplicated: 0 })
})

t.test('the checker counts duplicate, early and unauthorized messages separately', async (t) => {
  const { checker, publish, enter, receive } = start()
  publish()
  receive(1)
  enter(1)
  publish(3)
  receive(2, 4, 3, 4)
  t.match(checker.report(), { lost: 0, strays: 1, reordered: 1, duplicated: 1 })
})

t.test('the checker counts a decreasing offset as out of order, whoever published', async (t) => {
  const { checker, journal, enter } = start()
  enter(0)
  for (const [producer, offset] of [['p', 2], ['q', 1]] as const) {
    checker.accepted(checker.publishing('all', producer))
    journal.write({ kind: 'received', topic: 'all', producer, n: 1, position: at(offset) })
  }
  t.match(checker.report(), { reordered: 1, lost: 0 })
})

t.test('the checker expects a leaving client to get messages up to its request and none later', async (t) => {
  for (const hasCaughtUp of [true, false]) {
    const { checker, journal, publish, enter, receive } = start()
    enter(0)
    publish(2)
    const askedAt = checker.now()
    publish()
    receive(1)
    journal.write({ kind: 'left', topic: 'all', askedAt, hasCaughtUp })
    publish()
    t.match(checker.report(), { silentlyLost: hasCaughtUp ? 1 : 0 })
  }
})

t.test('the checker expects a client that rejoins from its old position to get the messages in between', async (t) => {
  const { checker, journal, publish, enter, receive, recover, witness } = start()
  enter(0)
  publish()
  receive(1)
  journal.write({ kind: 'left', topic: 'all', askedAt: checker.now(), hasCaughtUp: true })
  publish(2)
  witness(3)
  recover(1)
  receive(3)
  t.match(checker.report(), { silentlyLost: 1, falselyRecovered: 1, strays: 0 })
})

t.test('the checker does not expect messages for others or of uncertain publication', async (t) => {
  const { checker, publish, enter } = start()
  enter(0)
  publish(1, { except: ['socket'] })
  publish(1, { isTaken: false })
  t.match(checker.report(), CLEAN)
})

t.test('the checker counts an acknowledgement of a message that did not arrive as false', async (t) => {
  const { checker, publish, enter, receive } = start()
  enter(0)
  publish(2, { acked: ['socket'] })
  receive(1)
  t.match(checker.report(), { falselyAcked: 1 })
})

/** A stream that returns to an older state behind its second message, and goes on with others. The witness is there all the time. */
function startRollback () {
  const run = start()
  const { checker, journal, enter } = run
  const [lost, anew] = [['p 3', 'p 4'], ['q 1', 'q 2', 'q 3']] as const
  const other = checker.journal('witness')
  other.write({ kind: 'entered', topic: 'all', position: at(0), asked: null, recovered: false })
  const publish = (to: typeof journal | null, offset: number, of: string, epoch = 'a') => {
    const [producer, n] = of.split(' ') as [string, string]
    checker.accepted(checker.publishing('all', producer))
    for (const reader of [other, ...to === null ? [] : [to]]) reader.write({ kind: 'received', topic: 'all', producer, n: Number(n), position: at(offset, epoch) })
  }
  enter(0)
  publish(journal, 1, 'p 1')
  publish(journal, 2, 'p 2')
  return { ...run, publish, lost, anew, other }
}

t.test('the checker counts recovered true across a rollback as a false promise', async (t) => {
  for (const isAhead of [true, false]) {
    const { checker, journal, publish, recover, lost, anew } = startRollback()
    lost.forEach((of, n) => publish(isAhead ? journal : null, 3 + n, of))
    // Nobody is told anything.
    anew.slice(0, 2).forEach((of, n) => publish(null, 3 + n, of))
    recover(isAhead ? 4 : 2)
    publish(journal, 5, anew[2]!)
    const { silentlyLost, falselyRecovered, examples } = checker.report()
    t.match({ silentlyLost, falselyRecovered }, { silentlyLost: isAhead ? 2 : 4, falselyRecovered: 1 }, examples.join('\n'))
  }
})

t.test('the checker accepts the end of an epoch as announcing losses unless recovered true had denied them', async (t) => {
  for (const isDenied of [true, false]) {
    const { checker, journal, publish, enter, recover, lost, anew, other } = startRollback()
    lost.forEach((of, n) => publish(null, 3 + n, of))
    if (isDenied) recover(2)
    publish(isDenied ? journal : null, 3, anew[0]!)
    publish(isDenied ? journal : null, 4, anew[1]!)
    for (const reader of [journal, other]) reader.write({ kind: 'gap', topic: 'all', position: at(0, 'b') })
    enter(0, { asked: at(0, 'b'), recovered: true, epoch: 'b' })
    publish(journal, 1, anew[2]!, 'b')
    t.match(checker.report(), isDenied ? { announced: 0, silentlyLost: 2 } : { announced: 4, silentlyLost: 0 })
  }
})

t.test('the checker accepts a new epoch as announcing the losses of an interrupted recovery', async (t) => {
  const { checker, journal, publish, enter, recover, lost, anew } = startRollback()
  lost.forEach((of, n) => publish(null, 3 + n, of))
  recover(2)
  publish(null, 3, anew[0]!)
  enter(0, { asked: at(2), epoch: 'b' })
  publish(journal, 1, anew[1]!, 'b')
  t.match(checker.report(), { announced: 3, silentlyLost: 0, falselyRecovered: 0 })
})
