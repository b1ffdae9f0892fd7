import t from 'tap'
import { Identity } from '../../lib/socket/identity.js'
import { silent } from '../fixtures/redis-nodes.js'

t.test('when an identity ends, the frames in progress are answered, and none that is done', (t) => {
  const identity = new Identity(null, { id: 'socket', isOpen: true }, silent)
  const abandoned: string[] = []
  const [done, open] = ['done', 'open'].map((name) => ({ abandon: () => { abandoned.push(name) } })) as [{ abandon: () => void }, { abandon: () => void }]
  identity.begin(done)
  identity.begin(open)
  identity.finish(done)
  identity.end()
  t.strictSame(abandoned, ['open'])
  identity.finish(open)
  t.end()
})
