import t from 'tap'
import { nearestName } from '../lib/nearest-name.js'

t.test('a name with one or two typos is recognized, and no other', (t) => {
  const names = ['history', 'verify', 'except', 'ack', 'tries', 'retries']
  const cases: Array<[given: string, found: string | null]> = [
    ['histroy', 'history'], ['verfy', 'verify'], ['History', 'history'], ['historys', 'history'], ['hystori', 'history'], ['exept', 'except'], ['ak', null], ['akc', 'ack'],
    ['retrie', 'retries'], ['trie', 'tries'], ['hist', null], ['nothing', null], ['', null], ['x'.repeat(65), null]
  ]
  for (const [given, found] of cases) t.equal(nearestName(given, names), found, given)
  t.equal(nearestName('x'.repeat(64), ['x'.repeat(63)]), 'x'.repeat(63), 'the longest name that is compared')
  t.equal(nearestName('histories', ['history', 'historie']), 'historie', 'the nearest of several')
  t.end()
})
