import { KEY_LIFETIME, LINEAGE, Script, STREAM } from './lua.js'

/*
 * A list holds the sort keys of questions of one status; all its members have one score, so they are ordered by name. A sort key
 * is the creation time in 16 digits, a colon, and the id. A question's lists are stored with it, `<sort key> <scope> …`, and
 * again, after its status, in the set of expiring records.
 *
 * The due times of open questions are in one sorted set, as `<kind> <id>`. A question's kinds are stored with it.
 *
 * An open question of an earlier generation is in doubt: Redis may have lost its end. It can be read, but is neither settled nor
 * shown until the nodes have answered: see `doubts.ts`. An end stays valid, whatever its generation.
 *
 * Names of lists and records are built from a prefix in KEYS: they share a hash tag, and so a slot.
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

-- Each call removes more than one call adds.
local function forget(forgotten, prefix)
  for _, entry in ipairs(redis.call('ZRANGEBYSCORE', forgotten, '-inf', integer(now()), 'LIMIT', 0, 100)) do
    leave(forgotten, prefix, entry:match('^(%S+) (.*)$'))
  end
end
`

/**
 * Stores a question and its due times.
 *
 * KEYS: the record, expiring records, prefix of list names, due times, the lane. ARGV: record, its lists, lifetime, id, expiry,
 * '1' if it was stored before and is in doubt, its user, '1' if answers must be checked, then kind and time of each due time.
 */
export const create = new Script(KEY_LIFETIME, LINEAGE, LISTS, `
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
-- The record, how and when it ended, and 1 if its end is in doubt.
local function record(key)
  local found = redis.call('HMGET', key, 'record', 'settlement', 'at', 'generation')
  local isDoubtful = found[1] and not found[2] and not isCurrent(found[4])
  return { found[1], found[2], found[3], isDoubtful and 1 or 0 }
end
`

/** Reads a question. KEYS: the record, the lane. Returns `{record, settlement, when, in doubt}`, with null for missing parts. */
export const read = new Script(KEY_LIFETIME, LINEAGE, RECORD, `
return answer(record(KEYS[1]))
`)

/**
 * Reads a page of one list, or of several merged.
 *
 * KEYS: expiring records, prefix of list names, prefix of record names, the lists, the lane. ARGV: sort key that precedes the
 * page or '', limit. Returns the last sort key if more follow, else null, and for each question the same as `read`.
 */
export const list = new Script(KEY_LIFETIME, LINEAGE, LISTS, RECORD, `
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
 * KEYS: the record; beginnings, forgotten, position and log of the stream of ended questions; expiring records, prefix of list
 * names, due times; the lane. ARGV: settlement, id of the attempt, retention of the record, command, channel, epoch for a new
 * stream, lifetime of positions, window, size and lifetime of the history, outcome, layout of the messages, id.
 */
const END = `
-- Settles a question, and tells all nodes.
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
 * Settles a question and tells all nodes, unless it is settled already, cannot expire yet or is in doubt.
 *
 * KEYS and ARGV as above, then the answering user if the question was not read first, else ''. The question is then not settled
 * if it belongs to another user, its answers must be checked, or it is overdue. Returns null if there is no such question, else
 * `{whether this attempt won, or -1 if in doubt, record, settlement, when, milliseconds left}`.
 */
export const settle = new Script(KEY_LIFETIME, LINEAGE, STREAM, LISTS, END, `
local entry = redis.call('HMGET', KEYS[1], 'record', 'settlement', 'at', 'lists', 'expires', 'due', 'generation', 'user', 'checked')
if not entry[1] then return answer(false) end
if entry[2] then
  return answer({ redis.call('HGET', KEYS[1], 'attempt') == ARGV[2] and 1 or 0, entry[1], entry[2], entry[3] })
end
if not isCurrent(entry[7]) then return answer({ -1, entry[1] }) end
local time = now()
-- Earlier versions stored fewer fields of a question.
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
 * Restores an end that Redis has lost; a lost question is stored again.
 *
 * KEYS and ARGV as above, then the record, its lists, when it ended. Returns whether the end was lost.
 */
export const restore = new Script(KEY_LIFETIME, LINEAGE, STREAM, LISTS, END, `
local entry = redis.call('HMGET', KEYS[1], 'settlement', 'due')
if entry[1] then return answer(0) end
redis.call('HSET', KEYS[1], 'record', ARGV[14], 'lists', ARGV[15])
finish(ARGV[14], ARGV[15], entry[2], ARGV[16])
return answer(1)
`)

/**
 * Reopens a question that was in doubt.
 *
 * KEYS: the record, the due times, the lane. ARGV: id; the new record if an end may have been reported, else ''. Returns whether
 * this call reopened it.
 */
export const reopen = new Script(KEY_LIFETIME, LINEAGE, `
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
 * Takes due actions, and removes those of ended questions: nodes of earlier versions leave due times behind.
 *
 * KEYS: due times, prefix of record names, the lane. ARGV: limit, lease. Returns the milliseconds until the next due time, null
 * if none, and `{kind, record, in doubt}` for each action.
 */
export const takeDue = new Script(KEY_LIFETIME, LINEAGE, RECORD, `
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
