import { LANE_LIFETIME_MS, Script } from './lua.js'

/**
 * Reads a lane, settled on this server or not.
 *
 * KEYS: the lane. Returns `{replication id of the server, run, segment, number, ended}`, with '' and 0 if there is no lane;
 * `ended` lists earlier segments with their last numbers, `<segment> <number> …`.
 */
export const read = new Script(`
local held = redis.call('HMGET', KEYS[1], 'run', 'segment', 'number', 'ended')
local master = redis.call('INFO', 'replication'):match('master_replid:(%x+)')
return { master, held[1] or '', held[2] or '', tonumber(held[3] or 0), held[4] or '' }
`)

/** Maximum number of ended segments remembered. A node that was last in an older one counts as having seen lost writes. */
const MAX_ENDED = 32

/**
 * Settles a lane on this server in a new segment, unless it has changed since it was read.
 *
 * KEYS: the lane. ARGV: master, run and segment as they were read, the new segment, '1' if nothing was lost, '1' if keys of a
 * version without generations may exist. Returns whether this call settled it.
 */
export const settle = new Script(`
local master, run, segment, new = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local held = redis.call('HMGET', KEYS[1], 'run', 'segment', 'number', 'ended')
if redis.call('INFO', 'replication'):match('master_replid:(%x+)') ~= master then return 0 end
if (held[1] or '') ~= run or (held[2] or '') ~= segment then return 0 end
local ended = {}
if segment ~= '' then ended = { segment, held[3] } end
for part in (held[4] or ''):gmatch('%S+') do
  if #ended == ${MAX_ENDED * 2} then break end
  ended[#ended + 1] = part
end
redis.call('HSET', KEYS[1], 'run', master, 'segment', new, 'number', held[3] or 0, 'ended', table.concat(ended, ' '))
if ARGV[5] ~= '1' then
  redis.call('HSET', KEYS[1], 'adopts', ARGV[6] == '1' and redis.call('INFO', 'server'):match('run_id:(%x+)') or '')
end
redis.call('PEXPIRE', KEYS[1], '${LANE_LIFETIME_MS}')
return 1
`)
