import t from 'tap'
import { channelOf, roleOf, taskOf, topicOf, topicsOf } from '../lib/topic-names.js'

t.test('each kind of topic is told from the others by its prefix, and gives its name back', async (t) => {
  const kinds = { channel: channelOf, role: roleOf, task: taskOf }
  const topics = { all: topicOf.all, user: topicOf.user('task:1'), channel: topicOf.channel('role:x'), role: topicOf.role('all'), task: topicOf.task('user:1') }
  t.strictSame(topics, { all: 'all', user: 'user:task:1', channel: 'channel:role:x', role: 'role:all', task: 'task:user:1' })
  for (const [kind, nameOf] of Object.entries(kinds)) {
    for (const [other, topic] of Object.entries(topics)) t.equal(nameOf(topic), kind === other ? topic.slice(kind.length + 1) : null, `${kind} of ${topic}`)
  }
})

t.test('every connection is in the topic for all, and those of a user in that of the user and of each role', async (t) => {
  const user = { id: 'alice', claims: { roles: 'editor admin' }, expiresAt: null, issuedAt: null, jti: null }
  t.strictSame([topicsOf(null), topicsOf(user)], [['all'], ['all', 'user:alice', 'role:editor', 'role:admin']])
})
