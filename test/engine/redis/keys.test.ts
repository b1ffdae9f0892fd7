import { randomUUID } from 'node:crypto'
import t from 'tap'
import { Keys } from '../../../lib/engine/redis/keys.js'
import { normalizeRedisOptions } from '../../../lib/engine/redis/options.js'

const node = randomUUID()
const TOPICS = ['all', 'channel:x', 'channel:x}:log', 'channel:}:{all', 'user:{all}', `channel:x}:publisher:${node}`, ':{', '@1']

/** Every name that an engine uses: of keys, and of channels. */
function namesOf (keys: Keys): string[] {
  return [
    keys.publisher(null, node), keys.leases, keys.terms, keys.dead, keys.channelsOf(node), keys.requests, keys.responses(node),
    ...TOPICS.flatMap((topic) => [keys.channel(topic), ...keys.stream(topic), keys.publisher(topic, node), ...keys.presence(topic)]),
    ...keys.beginnings('all')
  ]
}

const isAccepted = (prefix: string) => {
  try {
    return normalizeRedisOptions({ prefix }).prefix === prefix
  } catch {
    return false
  }
}

t.test('engines of different prefixes or databases share no name', async (t) => {
  const marks = ['', ':', '::', '@', '@1', ':cluster', ':publisher', `:cluster:${node}`, `:publisher:${node}`, ':{all}', ':{nodes}:leases', '{', '}', '*', '/', '.', '-']
  const given = ['a', 'b'].flatMap((start) => marks.flatMap((mark) => ['', ':', '@2', ':cluster'].map((end) => start + mark + end)))
  const prefixes = [...new Set(given)].filter(isAccepted)
  t.ok(prefixes.includes('a:cluster') && prefixes.includes('a*') && prefixes.length > 40, `${prefixes.length} prefixes`)
  const owners = new Map<string, string>()
  const meetings: string[] = []
  for (const prefix of prefixes) {
    for (const database of [0, 1, 2, 12]) {
      const names = namesOf(new Keys(prefix, database, false))
      t.equal(new Set(names).size, names.length)
      for (const name of names) {
        const owner = `${prefix} in ${database}`
        if (owners.has(name)) meetings.push(`${name}: ${owners.get(name)} and ${owner}`)
        owners.set(name, owner)
      }
    }
  }
  t.strictSame(meetings, [])
})
