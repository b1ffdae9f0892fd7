import { LIFE, Script, STREAM } from './lua.js'

/**
 * Appends and publishes a batch. One that was done already is answered as it was then; one that comes after a later batch
 * of the same publisher is dropped, since nobody waits for it any more and it would be out of order.
 *
 * KEYS: the publisher's latest batch; then for each stream the position, the log.
 * ARGV: number of the batch, how long it is remembered, command, epoch for new streams, life of positions; then for each
 * stream the channel, the size of the history (-1 for none), its life; then for each publication the number of its stream,
 * from 0, and the message's tail.
 * Returns for each publication `{epoch, offset}`, `{}` without a history, or why it failed.
 */
export const publish = new Script(LIFE, STREAM, `
local batch, command, epoch, life = tonumber(ARGV[1]), ARGV[3], ARGV[4], tonumber(ARGV[5])

local function publish(stream, tail)
  local k, a = stream * 2 + 2, stream * 3 + 6
  local channel, size = ARGV[a], tonumber(ARGV[a + 1])
  if size < 0 then
    redis.call(command, channel, '[null,0,' .. tail)
    return {}
  end
  local current, offset = append(KEYS[k], KEYS[k + 1], epoch, life, tail, size, tonumber(ARGV[a + 2]))
  redis.call(command, channel, line(current, offset, tail))
  return { current, offset }
end

local latest = redis.call('HMGET', KEYS[1], 'batch', 'results')
if latest[1] then
  if tonumber(latest[1]) == batch then return cjson.decode(latest[2]) end
  if tonumber(latest[1]) > batch then return redis.error_reply('LATE the publisher has gone on') end
end
local results = {}
for a = (#KEYS - 1) / 2 * 3 + 6, #ARGV, 2 do
  local ok, result = pcall(publish, tonumber(ARGV[a]), ARGV[a + 1])
  results[#results + 1] = ok and result or tostring(type(result) == 'table' and result.err or result)
end
redis.call('HSET', KEYS[1], 'batch', ARGV[1], 'results', cjson.encode(results))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return results
`)

/**
 * Reads positions, and begins a new epoch where Redis has forgotten what it had given out.
 *
 * KEYS: for each stream the position, the log.
 * ARGV: epoch for new streams, life of positions; for each stream the epoch, offset and run that are known, or '', 0 and ''.
 * Returns the run, then for each one `{epoch, offset}`.
 */
export const positions = new Script(LIFE, STREAM, `
local results = { run }
for i = 0, #KEYS / 2 - 1 do
  local position, log = KEYS[i * 2 + 1], KEYS[i * 2 + 2]
  local epoch, offset = whereabouts(position, log, ARGV[1], tonumber(ARGV[2]))
  local known = tonumber(ARGV[i * 3 + 4])
  if epoch == ARGV[i * 3 + 3] then
    local kept = offset
    if run ~= ARGV[i * 3 + 5] then kept = tonumber(redis.call('HGET', position, 'base')) end
    if kept < known then
      epoch, offset = begin(position, log, ARGV[1])
      live(position, tonumber(ARGV[2]))
    end
  end
  results[i + 2] = { epoch, offset }
end
return results
`)

/**
 * Reads a history.
 *
 * KEYS: position, log. ARGV: epoch for a new stream, life of positions, epoch and offset behind which to read ('' for the
 * oldest), limit.
 * Returns `{epoch, offset, whether it is complete, first offset, tails}`.
 */
export const history = new Script(LIFE, STREAM, `
local position, log = KEYS[1], KEYS[2]
local since, limit = ARGV[3], tonumber(ARGV[5])
local epoch, top = whereabouts(position, log, ARGV[1], tonumber(ARGV[2]))
local first, time = top + 1, now()

local oldest = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
while oldest and tonumber(oldest[2][2]) <= time do
  redis.call('XDEL', log, oldest[1])
  oldest = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
end
if oldest then first = tonumber(oldest[1]:match('^%d+')) end

local from = first
if since ~= '' then
  from = tonumber(ARGV[4]) + 1
  if since ~= epoch or from < first or from > top + 1 then return { epoch, top, 0, 0, {} } end
end
local tails = {}
if limit > 0 then
  for i, entry in ipairs(redis.call('XRANGE', log, integer(from), '+', 'COUNT', limit)) do tails[i] = entry[2][4] end
end
return { epoch, top, 1, from, tails }
`)
