import { LIFE, LINEAGE, Script, STREAM } from './lua.js'

/*
 * A list holds the places of questions of one status, and is read in the order of its members, which all have one score. A
 * place is the time at which a question was asked, in 16 digits, a colon, and its id. Which lists a question is in is kept
 * with it, `<place> <scope> …`, and once more, behind its status, in the set of what is due to be forgotten.
 *
 * The names of lists and records are made of a prefix in KEYS: all of them have one hash tag, and so one slot.
 */
const LISTS = `
local function enter(due, prefix, status, lists, life)
  local time, place = now(), lists:match('%S+')
  redis.call('ZADD', due, integer(time + life), status .. ' ' .. lists)
  live(due, life)
  for scope in lists:sub(#place + 1):gmatch('%S+') do
    local list = prefix .. status .. ':' .. scope
    redis.call('ZADD', list, 0, place)
    live(list, life)
  end
end

local function leave(due, prefix, status, lists)
  local place = lists:match('%S+')
  redis.call('ZREM', due, status .. ' ' .. lists)
  for scope in lists:sub(#place + 1):gmatch('%S+') do
    redis.call('ZREM', prefix .. status .. ':' .. scope, place)
  end
end

-- Each call forgets more than one call adds.
local function forget(due, prefix)
  for _, entry in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', integer(now()), 'LIMIT', 0, 100)) do
    leave(due, prefix, entry:match('^(%S+) (.*)$'))
  end
end
`

/**
 * Stores a question.
 *
 * KEYS: the record, what is due, what the names of lists begin with. ARGV: record, its lists, life.
 */
export const create = new Script(LIFE, LISTS, `
local life = tonumber(ARGV[3])
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'record', ARGV[1], 'lists', ARGV[2])
redis.call('PEXPIRE', KEYS[1], life)
forget(KEYS[2], KEYS[3])
enter(KEYS[2], KEYS[3], 'pending', ARGV[2], life)
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

/**
 * Reads a page of one list, or of several in one order.
 *
 * KEYS: what is due, what the names of lists and of records begin with, the lists. ARGV: the place behind which it begins
 * or '', limit. Returns the last place where more follow, null where not, and as \`read\` for each question.
 */
export const list = new Script(LIFE, LISTS, RECORD, `
local limit, places, found = tonumber(ARGV[2]), {}, {}
forget(KEYS[1], KEYS[2])
for i = 4, #KEYS do
  for _, place in ipairs(redis.call('ZRANGEBYLEX', KEYS[i], ARGV[1] == '' and '-' or '(' .. ARGV[1], '+', 'LIMIT', 0, limit + 1)) do
    places[#places + 1] = place
  end
end
table.sort(places)
for i = 1, math.min(limit, #places) do
  local entry = record(KEYS[3] .. places[i]:sub(18))
  if entry[1] then found[#found + 1] = entry end
end
return { places[limit + 1] and places[limit] or false, found }
`)

/**
 * Ends a question, where nobody has, and tells all nodes.
 *
 * KEYS: the record; beginnings, forgotten, position and log of the stream of ends; what is due, what the names of lists begin
 * with; the lane. ARGV: settlement, id of the attempt, how long the record is kept, command, channel, epoch for a new stream, life of
 * positions, window, size and life of the history, outcome, layout of the messages.
 * Returns null where there is no such question, or `{whether this attempt has won, record, settlement, when}`.
 */
export const settle = new Script(LIFE, LINEAGE, STREAM, LISTS, RECORD, `
local entry = record(KEYS[1])
if not entry[1] then return answer(false) end
if entry[2] then
  return answer({ redis.call('HGET', KEYS[1], 'attempt') == ARGV[2] and 1 or 0, entry[1], entry[2], entry[3] })
end
count()
local at = integer(now())
redis.call('HSET', KEYS[1], 'settlement', ARGV[1], 'at', at, 'attempt', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
local lists = redis.call('HGET', KEYS[1], 'lists')
-- A node of a version without lists may have asked it.
if lists then
  leave(KEYS[6], KEYS[7], 'pending', lists)
  enter(KEYS[6], KEYS[7], ARGV[11], lists, tonumber(ARGV[3]))
end
local tail = '0,null]\\n{"record":' .. entry[1] .. ',"settlement":' .. ARGV[1] .. ',"at":' .. at .. '}'
local stream = { beginnings = KEYS[2], forgotten = KEYS[3], position = KEYS[4], log = KEYS[5], window = tonumber(ARGV[8]) }
local epoch, offset = append(stream, ARGV[6], tonumber(ARGV[7]), tail, '', ARGV[9], tonumber(ARGV[10]))
redis.call(ARGV[4], ARGV[5], line(mark(ARGV[12]), epoch, offset, tail))
return answer({ 1, entry[1], ARGV[1], at })
`)
