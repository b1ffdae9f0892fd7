import { KEY_LIFETIME, LINEAGE, Script } from './lua.js'

/*
 * Each revocation has a number, assigned when it was stored or last changed: a node that knows all up to one number reads those
 * above it. If numbering restarted (new epoch) or some may have been lost (new generation), it reads all.
 *
 * KEYS of both scripts: epoch and latest number, numbers, expiries, per user the issue time from which tokens are valid, the
 * lane.
 */

/**
 * Stores a revocation; the later times apply.
 *
 * ARGV: its name, the time before which a user's revoked tokens were issued or '', expiry, maximum number of revocations, epoch
 * to begin with. Returns whether there was room.
 */
export const add = new Script(KEY_LIFETIME, LINEAGE, `
local name, before, expiry = ARGV[1], ARGV[2], tonumber(ARGV[3])
count()
local time = now()
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', integer(time), 'LIMIT', 0, 1000)) do
  redis.call('ZREM', KEYS[2], gone)
  redis.call('ZREM', KEYS[3], gone)
  redis.call('HDEL', KEYS[4], gone)
end
local known = tonumber(redis.call('ZSCORE', KEYS[3], name) or 0)
local since = redis.call('HGET', KEYS[4], name)
local isLater = before ~= '' and (not since or tonumber(before) > tonumber(since))
if known >= expiry and not isLater then return answer(1) end
if known == 0 and redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[4]) then return answer(0) end
if isLater then redis.call('HSET', KEYS[4], name, before) end
redis.call('ZADD', KEYS[3], integer(math.max(known, expiry)), name)
redis.call('HSETNX', KEYS[1], 'epoch', unique(ARGV[5]))
redis.call('ZADD', KEYS[2], redis.call('HINCRBY', KEYS[1], 'number', 1), name)
for i = 1, 4 do live(KEYS[i], math.max(1, expiry - time)) end
return answer(1)
`)

/**
 * Reads revocations above a number.
 *
 * ARGV: known epoch, generation and number, limit. Returns `{epoch, generation, number of this reading, revocations}`, for each
 * its name, the time or '', its expiry.
 */
export const read = new Script(KEY_LIFETIME, LINEAGE, `
local found = redis.call('HMGET', KEYS[1], 'epoch', 'number')
local epoch, top, since = found[1] or '', tonumber(found[2] or 0), tonumber(ARGV[3])
if epoch ~= ARGV[1] or generation ~= ARGV[2] then since = 0 end
local names = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. integer(since), '+inf', 'LIMIT', 0, ARGV[4])
local entries = {}
for i, name in ipairs(names) do
  entries[i] = { name, redis.call('HGET', KEYS[4], name) or '', redis.call('ZSCORE', KEYS[3], name) }
end
local last = #names == tonumber(ARGV[4]) and redis.call('ZSCORE', KEYS[2], names[#names]) or top
return answer({ epoch, generation, tonumber(last), entries })
`)
