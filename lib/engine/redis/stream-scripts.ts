import { KEY_LIFETIME, LINEAGE, Script, STREAM } from './lua.js'

/**
 * Appends and publishes a batch. A repeated batch gets its earlier reply; one that arrives after a later batch of the same
 * publisher is dropped: it would be out of order, and its caller has given up.
 *
 * KEYS: the publisher's latest batch, beginnings, forgotten; then for each stream the position, the log; the lane. ARGV: number
 * of the batch, how long it is remembered, command, layout of the messages, epoch for new streams, lifetime of positions, window;
 * then for each stream the channel, the size of the history (-1 for none), its lifetime; then for each publication the index of
 * its stream, from 0, its sender ('' for the app), and the message's tail. Returns for each publication `{epoch, offset}`, `{}`
 * without a history, or why it failed.
 */
export const publish = new Script(KEY_LIFETIME, LINEAGE, STREAM, `
local batch, command, fresh, life, window = tonumber(ARGV[1]), ARGV[3], unique(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])

local latest = redis.call('HMGET', KEYS[1], 'batch', 'results', 'generation')
if latest[1] then
  -- A batch of another generation ended with its streams.
  if tonumber(latest[1]) == batch and latest[3] == generation then return answer(cjson.decode(latest[2])) end
  if tonumber(latest[1]) > batch then return redis.error_reply('LATE a later batch of this publisher was published') end
end
count()
local prefix = mark(ARGV[4])

local function publish(number, sender, tail)
  local k, a = number * 2 + 4, number * 3 + 8
  local channel, size = ARGV[a], tonumber(ARGV[a + 1])
  if size < 0 then
    redis.call(command, channel, prefix .. '[null,0,' .. tail)
    return {}
  end
  local stream = { position = KEYS[k], log = KEYS[k + 1], beginnings = KEYS[2], forgotten = KEYS[3], window = window }
  local epoch, offset = append(stream, fresh, life, tail, sender, size, tonumber(ARGV[a + 2]))
  redis.call(command, channel, line(prefix, epoch, offset, tail))
  return { epoch, offset }
end

local results = {}
for a = (#KEYS - 4) / 2 * 3 + 8, #ARGV, 3 do
  local ok, result = pcall(publish, tonumber(ARGV[a]), ARGV[a + 1], ARGV[a + 2])
  results[#results + 1] = ok and result or tostring(type(result) == 'table' and result.err or result)
end
redis.call('HSET', KEYS[1], 'batch', ARGV[1], 'results', cjson.encode(results), 'generation', generation)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return answer(results)
`)

/**
 * Reads positions, and begins a new epoch where a position is lost. A stream that has not begun, but has had listeners since an
 * earlier epoch, begins in that one.
 *
 * KEYS: beginnings, forgotten; for each stream the position, the log; the lane. ARGV: epoch for new streams, lifetime of
 * positions, window; for each stream the known epoch and offset, or '' and 0. Returns for each one `{epoch, offset}`.
 */
export const positions = new Script(KEY_LIFETIME, LINEAGE, STREAM, `
local fresh, life = unique(ARGV[1]), tonumber(ARGV[2])

local function compare(stream, knownEpoch, known)
  local epoch, offset, also, exists = whereabouts(stream, fresh, life)
  if knownEpoch == '' then return { epoch, offset } end
  if exists then
    if epoch ~= knownEpoch or offset >= known then return { epoch, offset } end
  elseif known == 0 then
    if knownEpoch == epoch then return { epoch, offset } end
    if knownEpoch == also or knownEpoch == redis.call('HGET', stream.beginnings, 'last') then
      epoch, offset = begin(stream, knownEpoch, epoch, life)
      return { epoch, offset }
    end
  end
  epoch, offset = begin(stream, fresh, '', life)
  return { epoch, offset }
end

local results = {}
for i = 0, (#KEYS - 3) / 2 - 1 do
  local stream = { position = KEYS[i * 2 + 3], log = KEYS[i * 2 + 4], beginnings = KEYS[1], forgotten = KEYS[2], window = tonumber(ARGV[3]) }
  results[i + 1] = compare(stream, ARGV[i * 2 + 4], tonumber(ARGV[i * 2 + 5]))
end
return answer(results)
`)

/**
 * Reads a history.
 *
 * KEYS: beginnings, forgotten, position, log, the lane. ARGV: epoch for a new stream, lifetime of positions, window, epoch and
 * offset to read after ('' for the oldest), maximum messages, maximum bytes, earliest publication time. Returns `{epoch, offset,
 * whether it is complete, first offset, tails}`.
 */
export const history = new Script(KEY_LIFETIME, LINEAGE, STREAM, `
local stream = { position = KEYS[3], log = KEYS[4], beginnings = KEYS[1], forgotten = KEYS[2], window = tonumber(ARGV[3]) }
local log, since, wanted = KEYS[4], ARGV[4], tonumber(ARGV[5])
local limit, most, earliest = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local epoch, top, also = whereabouts(stream, unique(ARGV[1]), tonumber(ARGV[2]))
local time = now()

local function entryFrom(offset)
  return redis.call('XRANGE', log, offset, '+', 'COUNT', 1)[1]
end

local function publishedAt(entry)
  return tonumber(entry[1]:match('%d+$'))
end

local oldest = entryFrom('-')
while oldest and tonumber(oldest[2][2]) <= time do
  redis.call('XDEL', log, oldest[1])
  oldest = entryFrom('-')
end
local first = oldest and tonumber(oldest[1]:match('^%d+')) or top + 1

local from = first
local isCut = oldest and publishedAt(oldest) < earliest
if since ~= '' then
  from = wanted + 1
  local fits = since == epoch or (wanted == 0 and since == also)
  -- If the oldest entry is already too old, so was everything evicted before it.
  if not fits or from > top + 1 or (from < first and not isCut) then return answer({ epoch, top, 0, top + 1, {} }) end
  from = math.max(from, first)
end
if isCut then
  local after = top + 1
  while from < after do
    local middle = math.floor((from + after) / 2)
    if publishedAt(entryFrom(integer(middle))) < earliest then from = middle + 1 else after = middle end
  end
end

-- In pages, since messages can be large.
local tails, bytes, at = {}, 0, from
while #tails < limit do
  local entries = redis.call('XRANGE', log, integer(at), '+', 'COUNT', math.min(limit - #tails, 10))
  for _, entry in ipairs(entries) do
    bytes = bytes + #entry[2][4]
    if bytes > most and #tails > 0 then return answer({ epoch, top, 1, from, tails }) end
    tails[#tails + 1] = entry[2][4]
  end
  if #entries < 10 then break end
  at = at + #entries
end
return answer({ epoch, top, 1, from, tails })
`)

/**
 * Removes a sender's own messages from the front of a history, up to the first one of another sender.
 *
 * KEYS: log. ARGV: the sender, offset of the last one to remove, minimum number of messages to keep. Returns the number removed,
 * and the offset before which the history is empty.
 */
export const cut = new Script(`
local log, sender, through = KEYS[1], ARGV[1], tonumber(ARGV[2])
local left = redis.call('XLEN', log) - tonumber(ARGV[3])
local taken = 0
while true do
  local oldest = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
  local first = oldest and tonumber(oldest[1]:match('^%d+')) or through + 1
  if first > through or taken >= left or oldest[2][6] ~= sender then return { taken, first } end
  redis.call('XDEL', log, oldest[1])
  taken = taken + 1
end
`)

/** Empties a history. KEYS: position, log. ARGV: offset of the latest message; if it differs, nothing happens. */
export const clear = new Script(`
if redis.call('HGET', KEYS[1], 'offset') == ARGV[1] then redis.call('DEL', KEYS[2]) end
return 1
`)

/**
 * Removes a stream without later publications and without listeners.
 *
 * KEYS: beginnings, forgotten, position, log. ARGV: offset of the latest message, command that counts subscribers, channel,
 * window, maximum names in forgotten, epoch for new streams. Returns its number of messages; -1: it is in use.
 */
export const forget = new Script(KEY_LIFETIME, `
local beginnings, forgotten, position, log = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local window = tonumber(ARGV[4])
if redis.call('HGET', position, 'offset') ~= ARGV[1] then return -1 end
if redis.call('PUBSUB', ARGV[2], ARGV[3])[2] > 0 then return -1 end
local count = redis.call('XLEN', log)
redis.call('DEL', position, log)
if window == 0 then return count end
local time = now()
redis.call('ZREMRANGEBYSCORE', forgotten, '-inf', integer(time - window * 2))
redis.call('ZADD', forgotten, integer(time), position)
redis.call('PEXPIRE', forgotten, integer(window * 2))
if redis.call('ZCARD', forgotten) > tonumber(ARGV[5]) then
  redis.call('DEL', forgotten)
  local epoch = redis.call('HGET', beginnings, 'epoch')
  if epoch then redis.call('HSET', beginnings, 'epoch', ARGV[6], 'before', '', 'last', epoch, 'since', integer(time)) end
end
return count
`)
