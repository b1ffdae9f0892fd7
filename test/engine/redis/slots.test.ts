import t from 'tap'
import { slotOf, slotOfKey } from '../../../lib/engine/redis/slots.js'

t.test('the slot of a key is that of the text in its first braces, unless that is empty', async (t) => {
  for (const [key, tag] of [
    ['wsm:{channel:a}', 'channel:a'], ['wsm:{a}:log', 'a'], ['wsm:{a}b}', 'a'], ['{a{b}', 'a{b'], ['plain', 'plain'], ['wsm:{}', 'wsm:{}'], ['wsm:{a', 'wsm:{a']
  ] as const) t.equal(slotOfKey(key), slotOf(tag), key)
})
