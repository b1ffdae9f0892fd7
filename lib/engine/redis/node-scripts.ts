import { LIFE, Script } from './lua.js'

/** As text: microseconds since 1970. */
const EXACT = `
local function exact()
  local time = redis.call('TIME')
  return time[1] .. string.format('%06d', time[2])
end
`

/**
 * Renews a node's lease.
 *
 * KEYS: leases, its channels. ARGV: node, life of a lease, life of what it has in channels.
 * Returns `{whether it had one, the nodes whose lease is over, what time it is}`.
 */
export const renew = new Script(LIFE, EXACT, `
local lease, time = tonumber(ARGV[2]), now()
local had = redis.call('ZSCORE', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[1], integer(time + lease), ARGV[1])
live(KEYS[1], lease * 4)
live(KEYS[2], tonumber(ARGV[3]))
return { had and tonumber(had) > time and 1 or 0, redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', integer(time)), exact() }
`)

/** What time it is, in microseconds, and in a cluster on which server. KEYS: leases. */
export const time = new Script(EXACT, 'return exact()')

/** Forgets a node that has died. KEYS: leases, its channels. ARGV: node. */
export const forget = new Script(LIFE, `
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if score and tonumber(score) > now() then return 0 end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2])
return 1
`)

/** The nodes with a lease. KEYS: leases. */
export const nodes = new Script(LIFE, `
return redis.call('ZRANGEBYSCORE', KEYS[1], integer(now()), '+inf')
`)
