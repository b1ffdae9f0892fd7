import t from 'tap'
import { Announcements } from '../../lib/confirmations/announcements.js'
import type { ConfirmationStore } from '../../lib/engine/engine.js'
import type { ConfirmationRecord } from '../../schemas/records.js'
import { silent } from '../fixtures/redis-nodes.js'

t.test('on a store that ends with the node an announcement is recorded before it resolves', async (t) => {
  const noted: unknown[] = []
  const store = { outlivesNode: false, done: async (...args: unknown[]) => { noted.push(args) } } as unknown as ConfirmationStore
  const announcements = new Announcements(store, { announce: async () => true } as never, { availability: { status: 'ready', reasons: [] } }, silent)
  t.equal(await announcements.announce({ callback_id: 'q', user_id: 'alice', question: {} } as unknown as ConfirmationRecord, 'error'), true)
  t.strictSame(noted, [[['q'], 'announce']])
})
