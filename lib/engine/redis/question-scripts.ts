import { LIFE, LINEAGE, Script, STREAM } from './lua.js'

/*
 * A list holds the places of questions of one status, and is read in the order of its members, which all have one score. A
 * place is the time at which a question was asked, in 16 digits, a colon, and its id. Which lists a question is in is kept
 * with it, `<place> <scope> …`, and once more, behind its status, in the set of what is to be forgotten.
 *
 * What is to be done about open questions is in one list by its time, as `<kind> <id>`. The kinds of a question are kept with it.
 *
 * The names of lists and records are made of a prefix in KEYS: all of them have one hash tag, and so one slot.
 */
const LISTS = `
local function enter(forgotten, prefix, status, lists, life)
  local time, place = now(), lists:match('%S+')
  redis.call('ZADD', forgotten, integer(time + life), status .. ' ' .. lists)
  live(forgotten, life)
  for scope in lists:sub(#place + 1):gmatch('%S+') do
    local list = prefix .. status .. ':' .. scope
    redis.call('ZADD', list, 0, place)
    live(list, life)
  end
end

local function leave(forgotten, prefix, status, lists)
  local place = lists:match('%S+')
  redis.call('ZREM', forgotten, status .. ' ' .. lists)
  for scope in lists:sub(#place + 1):gmatch('%S+') do
    redis.call('ZREM', prefix .. status .. ':' .. scope, place)
  end
end

-- Each call forgets more than one call adds.
local function forget(forgotten, prefix)
  for _, entry in ipairs(redis.call('ZRANGEBYSCORE', forgotten, '-inf', integer(now()), 'LIMIT', 0, 100)) do
    leave(forgotten, prefix, entry:match('^(%S+) (.*)$'))
  end
end
`

/**
 * Stores a question and its due times.
 *
 * KEYS: the record, what is to be forgotten, what the names of lists begin with, the due times. ARGV: record, its lists, life, id, when
 * it expires, then kind and time of each due time.
 */
export const create = new Script(LIFE, LISTS, `
local life, kinds, due = tonumber(ARGV[3]), {}, {}
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
for i = 6, #ARGV, 2 do
  kinds[#kinds + 1] = ARGV[i]
  due[#due + 1] = ARGV[i + 1]
  due[#due + 1] = ARGV[i] .. ' ' .. ARGV[4]
end
redis.call('HSET', KEYS[1], 'record', ARGV[1], 'lists', ARGV[2], 'expires', ARGV[5], 'due', table.concat(kinds, ' '))
redis.call('PEXPIRE', KEYS[1], life)
forget(KEYS[2], KEYS[3])
enter(KEYS[2], KEYS[3], 'pending', ARGV[2], life)
if #due > 0 then
  redis.call('ZADD', KEYS[4], unpack(due))
  live(KEYS[4], life)
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

/**
 * Reads a page of one list, or of several in one order.
 *
 * KEYS: what is to be forgotten, what the names of lists and of records begin with, the lists. ARGV: the place behind which it begins
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
 * Ends a question, where nobody has and it is not too early to expire, and tells all nodes.
 *
 * KEYS: the record; beginnings, forgotten, position and log of the stream of ends; what is to be forgotten, what the names of lists
 * begin with, the due times; the lane. ARGV: settlement, id of the attempt, how long the record is kept, command, channel, epoch for a new
 * stream, life of positions, window, size and life of the history, outcome, id, layout of the messages.
 * Returns null where there is no such question, or `{whether this attempt has won, record, settlement, when, milliseconds left}`.
 */
export const settle = new Script(LIFE, LINEAGE, STREAM, LISTS, `
local entry = redis.call('HMGET', KEYS[1], 'record', 'settlement', 'at', 'lists', 'expires', 'due')
if not entry[1] then return answer(false) end
if entry[2] then
  return answer({ redis.call('HGET', KEYS[1], 'attempt') == ARGV[2] and 1 or 0, entry[1], entry[2], entry[3] })
end
local time = now()
-- A node of an earlier version may have asked it, which kept less of a question.
local lists, expires, kinds = entry[4], entry[5], entry[6]
if ARGV[11] == 'expired' and expires and tonumber(expires) > time then
  return answer({ 0, entry[1], false, false, math.ceil(tonumber(expires) - time) })
end
count()
local at = integer(time)
redis.call('HSET', KEYS[1], 'settlement', ARGV[1], 'at', at, 'attempt', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
if kinds and kinds ~= '' then
  local due = {}
  for kind in kinds:gmatch('%S+') do due[#due + 1] = kind .. ' ' .. ARGV[12] end
  redis.call('ZREM', KEYS[8], unpack(due))
end
if lists then
  leave(KEYS[6], KEYS[7], 'pending', lists)
  enter(KEYS[6], KEYS[7], ARGV[11], lists, tonumber(ARGV[3]))
end
local tail = '0,null]\\n{"record":' .. entry[1] .. ',"settlement":' .. ARGV[1] .. ',"at":' .. at .. '}'
local stream = { beginnings = KEYS[2], forgotten = KEYS[3], position = KEYS[4], log = KEYS[5], window = tonumber(ARGV[8]) }
local epoch, offset = append(stream, ARGV[6], tonumber(ARGV[7]), tail, '', ARGV[9], tonumber(ARGV[10]))
redis.call(ARGV[4], ARGV[5], line(mark(ARGV[13]), epoch, offset, tail))
return answer({ 1, entry[1], ARGV[1], at })
`)

/**
 * Takes what is due, and removes what has ended otherwise: a node of an earlier version leaves its due times.
 *
 * KEYS: the due times, what the names of records begin with. ARGV: limit, lease.
 * Returns in how many milliseconds the next is due, null where none is, and `{kind, record}` of each.
 */
export const takeDue = new Script(LIFE, RECORD, `
local time, taken = now(), {}
for _, entry in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', integer(time), 'LIMIT', 0, tonumber(ARGV[1]))) do
  local kind, id = entry:match('^(%S+) (.*)$')
  local found = record(KEYS[2] .. id)
  if found[1] and not found[2] then
    redis.call('ZADD', KEYS[1], integer(time + ARGV[2]), entry)
    taken[#taken + 1] = { kind, found[1] }
  else
    redis.call('ZREM', KEYS[1], entry)
  end
end
local at = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
return { at and math.max(0, math.ceil(tonumber(at) - time)) or false, taken }
`)
