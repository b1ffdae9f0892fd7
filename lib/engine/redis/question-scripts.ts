import { LIFE, LINEAGE, Script, STREAM } from './lua.js'

/*
 * A list holds the places of questions of one status, and is read in the order of its members, which all have one score. A
 * place is the time at which a question was asked, in 16 digits, a colon, and its id. Which lists a question is in is kept
 * with it, `<place> <scope> …`, and once more, behind its status, in the set of what is to be forgotten.
 *
 * The due times of open questions are in one sorted set, as `<kind> <id>`. The kinds of a question are kept with it.
 *
 * An open question of an earlier generation is in doubt: it may have ended, and Redis has lost that. It is read, and neither ended nor
 * shown, until the nodes have said what they know: see `doubts.ts`. An end is an end, whatever its generation.
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
 * KEYS: the record, what is to be forgotten, what the names of lists begin with, the due times, the lane. ARGV: record, its lists, life,
 * id, when it expires, '1' where it was stored before and is in doubt, its user, '1' where answers are to be checked, then kind and time of
 * each due time.
 */
export const create = new Script(LIFE, LINEAGE, LISTS, `
local life, kinds, due = tonumber(ARGV[3]), {}, {}
if redis.call('EXISTS', KEYS[1]) == 1 then return answer(0) end
for i = 9, #ARGV, 2 do
  kinds[#kinds + 1] = ARGV[i]
  due[#due + 1] = ARGV[i + 1]
  due[#due + 1] = ARGV[i] .. ' ' .. ARGV[4]
end
count()
redis.call('HSET', KEYS[1], 'record', ARGV[1], 'lists', ARGV[2], 'expires', ARGV[5], 'due', table.concat(kinds, ' '),
  'generation', ARGV[6] == '1' and '-' or generation, 'user', ARGV[7], 'checked', ARGV[8])
redis.call('PEXPIRE', KEYS[1], life)
forget(KEYS[2], KEYS[3])
enter(KEYS[2], KEYS[3], 'pending', ARGV[2], life)
if #due > 0 then
  redis.call('ZADD', KEYS[4], unpack(due))
  live(KEYS[4], life)
end
return answer(1)
`)

const RECORD = `
-- The record, how and when it ended, and 1 where it is in doubt whether it has.
local function record(key)
  local found = redis.call('HMGET', key, 'record', 'settlement', 'at', 'generation')
  local isDoubtful = found[1] and not found[2] and not isCurrent(found[4])
  return { found[1], found[2], found[3], isDoubtful and 1 or 0 }
end
`

/** Reads a question. KEYS: the record, the lane. Returns `{record, settlement, when, in doubt}`, nulls for what there is not. */
export const read = new Script(LIFE, LINEAGE, RECORD, `
return answer(record(KEYS[1]))
`)

/**
 * Reads a page of one list, or of several in one order.
 *
 * KEYS: what is to be forgotten, what the names of lists and of records begin with, the lists, the lane. ARGV: the place behind which it
 * begins or '', limit. Returns the last place where more follow, null where not, and as \`read\` for each question.
 */
export const list = new Script(LIFE, LINEAGE, LISTS, RECORD, `
local limit, places, found = tonumber(ARGV[2]), {}, {}
forget(KEYS[1], KEYS[2])
for i = 4, #KEYS - 1 do
  for _, place in ipairs(redis.call('ZRANGEBYLEX', KEYS[i], ARGV[1] == '' and '-' or '(' .. ARGV[1], '+', 'LIMIT', 0, limit + 1)) do
    places[#places + 1] = place
  end
end
table.sort(places)
for i = 1, math.min(limit, #places) do
  local entry = record(KEYS[3] .. places[i]:sub(18))
  if entry[1] then found[#found + 1] = entry end
end
return answer({ places[limit + 1] and places[limit] or false, found })
`)

/*
 * KEYS: the record; beginnings, forgotten, position and log of the stream of ends; what is to be forgotten, what the names of lists
 * begin with, the due times; the lane. ARGV: settlement, id of the attempt, how long the record is kept, command, channel, epoch for a new
 * stream, life of positions, window, size and life of the history, outcome, layout of the messages, id.
 */
const END = `
-- Ends a question, and tells all nodes.
local function finish(json, lists, kinds, at)
  count()
  redis.call('HSET', KEYS[1], 'settlement', ARGV[1], 'at', at, 'attempt', ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  for kind in (kinds or ''):gmatch('%S+') do redis.call('ZREM', KEYS[8], kind .. ' ' .. ARGV[13]) end
  if lists then
    leave(KEYS[6], KEYS[7], 'pending', lists)
    enter(KEYS[6], KEYS[7], ARGV[11], lists, tonumber(ARGV[3]))
  end
  local tail = '0,null]\\n{"record":' .. json .. ',"settlement":' .. ARGV[1] .. ',"at":' .. at .. '}'
  local stream = { beginnings = KEYS[2], forgotten = KEYS[3], position = KEYS[4], log = KEYS[5], window = tonumber(ARGV[8]) }
  local epoch, offset = append(stream, unique(ARGV[6]), tonumber(ARGV[7]), tail, '', ARGV[9], tonumber(ARGV[10]))
  redis.call(ARGV[4], ARGV[5], line(mark(ARGV[12]), epoch, offset, tail))
end
`

/**
 * Ends a question, where nobody has, it is not too early to expire and it is not in doubt, and tells all nodes.
 *
 * KEYS and ARGV as above, then the user whose answer it is, where the question has not been looked at, else '': it is not ended where it
 * is somebody else's, answers are to be checked, or it is overdue. Returns null where there is no such question, or `{whether this attempt
 * has won, or -1 where it is in doubt, record, settlement, when, milliseconds left}`.
 */
export const settle = new Script(LIFE, LINEAGE, STREAM, LISTS, END, `
local entry = redis.call('HMGET', KEYS[1], 'record', 'settlement', 'at', 'lists', 'expires', 'due', 'generation', 'user', 'checked')
if not entry[1] then return answer(false) end
if entry[2] then
  return answer({ redis.call('HGET', KEYS[1], 'attempt') == ARGV[2] and 1 or 0, entry[1], entry[2], entry[3] })
end
if not isCurrent(entry[7]) then return answer({ -1, entry[1] }) end
local time = now()
-- A node of an earlier version may have asked it, which kept less of a question.
local lists, expires, kinds = entry[4], entry[5], entry[6]
if ARGV[11] == 'expired' and expires and tonumber(expires) > time then
  return answer({ 0, entry[1], false, false, math.ceil(tonumber(expires) - time) })
end
if ARGV[14] ~= '' then
  local isChecked = entry[9] == '1' and ARGV[11] == 'confirmed'
  if entry[8] ~= ARGV[14] or isChecked or tonumber(expires) <= time then return answer({ 0, entry[1] }) end
end
local at = integer(time)
finish(entry[1], lists, kinds, at)
return answer({ 1, entry[1], ARGV[1], at })
`)

/**
 * Ends a question as it had ended before Redis lost that; a question that is lost is stored again.
 *
 * KEYS and ARGV as above, then the record, its lists, when it ended. Returns whether the end was lost.
 */
export const restore = new Script(LIFE, LINEAGE, STREAM, LISTS, END, `
local entry = redis.call('HMGET', KEYS[1], 'settlement', 'due')
if entry[1] then return answer(0) end
redis.call('HSET', KEYS[1], 'record', ARGV[14], 'lists', ARGV[15])
finish(ARGV[14], ARGV[15], entry[2], ARGV[16])
return answer(1)
`)

/**
 * A question goes on that was in doubt.
 *
 * KEYS: the record, the due times, the lane. ARGV: id, the record as it is from now on where it is not certain that nobody was told of an
 * end, else ''. Returns whether this call has done it.
 */
export const goOn = new Script(LIFE, LINEAGE, `
local found = redis.call('HMGET', KEYS[1], 'record', 'settlement', 'generation')
if not found[1] or found[2] or isCurrent(found[3]) then return answer(0) end
count()
redis.call('HSET', KEYS[1], 'generation', generation)
if ARGV[2] ~= '' then
  redis.call('HSET', KEYS[1], 'record', ARGV[2])
  redis.call('ZADD', KEYS[2], integer(now()), 'announce ' .. ARGV[1])
  live(KEYS[2], redis.call('PTTL', KEYS[1]))
end
return answer(1)
`)

/**
 * Takes what is due, and removes what has ended otherwise: a node of an earlier version leaves its due times.
 *
 * KEYS: the due times, what the names of records begin with, the lane. ARGV: limit, lease.
 * Returns in how many milliseconds the next is due, null where none is, and `{kind, record, in doubt}` of each.
 */
export const takeDue = new Script(LIFE, LINEAGE, RECORD, `
local time, taken = now(), {}
for _, entry in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', integer(time), 'LIMIT', 0, tonumber(ARGV[1]))) do
  local kind, id = entry:match('^(%S+) (.*)$')
  local found = record(KEYS[2] .. id)
  if found[1] and not found[2] then
    redis.call('ZADD', KEYS[1], integer(time + ARGV[2]), entry)
    taken[#taken + 1] = { kind, found[1], found[4] }
  else
    redis.call('ZREM', KEYS[1], entry)
  end
end
local at = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
return answer({ at and math.max(0, math.ceil(tonumber(at) - time)) or false, taken })
`)
