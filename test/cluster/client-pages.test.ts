import t from 'tap'
import { pageOfPages } from '../../lib/cluster/client-pages.js'
import { mergePages } from '../../lib/pages.js'
import type { ClientRecord } from '../../schemas/records.js'

const record = (at: number, id: string) => ({ connected_at: at, client_id: id }) as ClientRecord

t.test('pages of several nodes merge by time and then by id, with the cursor of the merged page', (t) => {
  const pages = [
    { total: 3, clients: [record(1, 'b'), record(2, 'a')], next: '2:a' },
    { total: 2, clients: [record(1, 'a'), record(1, 'c')], next: null }
  ]
  t.same(pageOfPages(pages, 2), { total: 5, clients: [record(1, 'a'), record(1, 'b')], next: '1:b' })
  t.same(pageOfPages(pages, 4), { total: 5, clients: [record(1, 'a'), record(1, 'b'), record(1, 'c'), record(2, 'a')], next: '2:a' })
  t.same(pageOfPages([pages[1]!], 2), { total: 2, clients: [record(1, 'a'), record(1, 'c')], next: null })
  t.end()
})

t.test('merging pages without clients gives one empty page', (t) => {
  t.same(mergePages<number>([{ items: [], next: null }], 1, (a, b) => a - b, String), { items: [], next: null })
  t.end()
})
