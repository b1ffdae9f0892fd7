import { KEY_LIFETIME, LINEAGE, Script } from './lua.js'

/*
 * A used ticket stays, marked as used, until it would have expired: `put` may run late and must not make it valid again, and
 * `take` may run twice and must then return it again. A ticket of an earlier generation may have been used.
 */

/**
 * Stores a ticket.
 *
 * KEYS: the ticket, the user's unused ones, all unused ones, the lane. ARGV: its name in those lists, the user, lifetime, maximum
 * per user, maximum in all. Returns 'kept', 'user_full' or 'full'.
 */
export const put = new Script(KEY_LIFETIME, LINEAGE, `
local life, time = tonumber(ARGV[3]), now()
if redis.call('EXISTS', KEYS[1]) == 1 then return answer('kept') end
for i = 2, 3 do redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', integer(time)) end
if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[4]) then return answer('user_full') end
if redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[5]) then return answer('full') end
count()
redis.call('HSET', KEYS[1], 'user', ARGV[2], 'list', KEYS[2], 'generation', generation)
redis.call('PEXPIRE', KEYS[1], life)
for i = 2, 3 do
  redis.call('ZADD', KEYS[i], integer(time + life), ARGV[1])
  live(KEYS[i], life)
end
return answer('kept')
`)

/**
 * Takes a ticket.
 *
 * KEYS: the ticket, all unused ones, the lane. ARGV: its name in the lists, id of the attempt. Returns the user, or null if there
 * is none for this attempt.
 */
export const take = new Script(KEY_LIFETIME, LINEAGE, `
local found = redis.call('HMGET', KEYS[1], 'user', 'list', 'taken', 'generation')
if not found[1] or (found[3] and found[3] ~= ARGV[2]) or not isCurrent(found[4]) then return answer(false) end
count()
redis.call('HSET', KEYS[1], 'taken', ARGV[2])
redis.call('ZREM', found[2], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return answer(found[1])
`)
