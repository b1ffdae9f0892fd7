import { LIFE, Script, STREAM } from './lua.js'

/**
 * Stores a question.
 *
 * KEYS: the record, then the lists that it is in. ARGV: id, record, life.
 */
export const create = new Script(LIFE, `
local time, life = now(), tonumber(ARGV[3])
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'record', ARGV[2])
redis.call('PEXPIRE', KEYS[1], life)
for i = 2, #KEYS do
  redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', integer(time))
  redis.call('ZADD', KEYS[i], integer(time + life), ARGV[1])
  live(KEYS[i], life)
end
return 1
`)

const RECORD = `
local function record(key)
  return redis.call('HMGET', key, 'record', 'settlement', 'at')
end
`

/** Reads a question. KEYS: the record. Returns `{record, settlement, when}`, nulls for what there is not. */
export const read = new Script(RECORD, `
return record(KEYS[1])
`)

/** Reads the questions of a list. KEYS: the list, what the names of records begin with. Returns as \`read\`, for each. */
export const list = new Script(LIFE, RECORD, `
local found = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], integer(now()), '+inf')) do
  local entry = record(KEYS[2] .. id)
  if entry[1] then found[#found + 1] = entry end
end
return found
`)

/**
 * Ends a question, where nobody has, and tells all nodes.
 *
 * KEYS: the record; beginnings, forgotten, position and log of the stream of ends. ARGV: settlement, id of the attempt, how
 * long the record is kept, command, channel, epoch for a new stream, life of positions, window, size and life of the history.
 * Returns null where there is no such question, or `{whether this attempt has won, record, settlement, when}`.
 */
export const settle = new Script(LIFE, STREAM, RECORD, `
local entry = record(KEYS[1])
if not entry[1] then return nil end
if entry[2] then
  return { redis.call('HGET', KEYS[1], 'attempt') == ARGV[2] and 1 or 0, entry[1], entry[2], entry[3] }
end
local at = integer(now())
redis.call('HSET', KEYS[1], 'settlement', ARGV[1], 'at', at, 'attempt', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
local tail = '0,null]\\n{"record":' .. entry[1] .. ',"settlement":' .. ARGV[1] .. ',"at":' .. at .. '}'
local stream = { beginnings = KEYS[2], forgotten = KEYS[3], position = KEYS[4], log = KEYS[5], window = tonumber(ARGV[8]) }
local epoch, offset = append(stream, ARGV[6], tonumber(ARGV[7]), tail, '', ARGV[9], tonumber(ARGV[10]))
redis.call(ARGV[4], ARGV[5], line(epoch, offset, tail))
return { 1, entry[1], ARGV[1], at }
`)
