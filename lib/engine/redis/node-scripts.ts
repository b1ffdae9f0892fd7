import { LANE_LIFETIME_MS, KEY_LIFETIME, Script } from './lua.js'

/** Current time as text, microseconds since 1970. */
const EXACT = `
local function exact()
  local time = redis.call('TIME')
  return time[1] .. string.format('%06d', time[2])
end
`

/*
 * A node is in a term, which ends when it is declared dead. Anything done to a dead node refers to the ended term, and has no
 * effect once the node is back in a later one. If Redis knows no lease, or only an earlier term, it has lost something, and the
 * node itself starts a new term.
 */

/**
 * Renews a node's lease, and declares nodes with expired leases dead. A node whose own lease had expired declares none: perhaps
 * no node could renew its lease, and the others are about to.
 *
 * KEYS: leases, terms, dead nodes, layouts, its channels. ARGV: node, its term as it knows it, lifetime of a lease, lifetime of
 * its presence in channels, whether it may declare others dead, its layout. Returns `{whether its lease had not expired, its
 * term, the nodes that it must remove, each with its term, the nodes with a lease, the current time, the layout known to all
 * nodes}`.
 */
export const renew = new Script(KEY_LIFETIME, EXACT, `
local node, lease, life, time = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4]), now()
local score = redis.call('ZSCORE', KEYS[1], node)
local known, term = tonumber(redis.call('HGET', KEYS[2], node) or 0), tonumber(ARGV[2])
if not score or known < term then term = math.max(known, term + 1) else term = known end
if term ~= known then redis.call('HSET', KEYS[2], node, integer(term)) end
redis.call('ZADD', KEYS[1], integer(time + lease), node)
redis.call('ZREM', KEYS[3], node)
local isInTime = score and tonumber(score) > time
if isInTime and ARGV[5] == '1' then
  for _, dead in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', integer(time))) do
    redis.call('ZREM', KEYS[1], dead)
    redis.call('HINCRBY', KEYS[2], dead, 1)
    redis.call('ZADD', KEYS[3], 0, dead)
  end
end
local removals = {}
for _, dead in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', integer(time))) do
  redis.call('ZADD', KEYS[3], integer(time + lease), dead)
  table.insert(removals, { dead, tonumber(redis.call('HGET', KEYS[2], dead) or 0) })
end
local lowest = tonumber(ARGV[6])
redis.call('HSET', KEYS[4], node, ARGV[6])
for _, known in ipairs(redis.call('HKEYS', KEYS[4])) do
  if known ~= 'used' and not redis.call('ZSCORE', KEYS[1], known) then redis.call('HDEL', KEYS[4], known) end
end
-- A node that names no layout has layout 1.
for _, other in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  lowest = math.min(lowest, tonumber(redis.call('HGET', KEYS[4], other) or 1))
end
if lowest > tonumber(redis.call('HGET', KEYS[4], 'used') or 0) then redis.call('HSET', KEYS[4], 'used', integer(lowest)) end
for i = 1, 3 do live(KEYS[i], math.max(life, lease * 4)) end
redis.call('PEXPIRE', KEYS[4], '${LANE_LIFETIME_MS}')
live(KEYS[5], life)
return { isInTime and 1 or 0, term, removals, redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. integer(time), '+inf'), exact(), lowest }
`)

/**
 * Ends a node's term at its own request. KEYS: leases, terms, dead nodes. ARGV: node, its term as it knows it, lifetime of a
 * lease, lifetime of its presence in channels. Returns its next term, should it return; the node must remove itself.
 */
export const leave = new Script(KEY_LIFETIME, `
local term = math.max(tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or 0), tonumber(ARGV[2])) + 1
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], integer(term))
redis.call('ZADD', KEYS[3], integer(now() + tonumber(ARGV[3])), ARGV[1])
for i = 2, 3 do live(KEYS[i], tonumber(ARGV[4])) end
return term
`)

/** Reads the time of the server with the leases, in microseconds. KEYS: leases. */
export const time = new Script(EXACT, 'return exact()')

/** Forgets a node that has left all channels. KEYS: leases, terms, dead nodes, its channels. ARGV: node, the term that began with its death. */
export const forget = new Script(`
if tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or 0) ~= tonumber(ARGV[2]) then return 0 end
redis.call('ZREM', KEYS[3], ARGV[1])
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('DEL', KEYS[4])
return 1
`)

/** Lists the nodes with a lease. KEYS: leases. */
export const nodes = new Script(KEY_LIFETIME, `
return redis.call('ZRANGEBYSCORE', KEYS[1], integer(now()), '+inf')
`)
