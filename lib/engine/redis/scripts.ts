import { createHash } from 'node:crypto'

/** A Lua script, and the name under which Redis keeps it. */
export class Script {
  readonly source: string
  readonly sha: string

  constructor (...parts: string[]) {
    this.source = parts.join('\n')
    this.sha = createHash('sha1').update(this.source).digest('hex')
  }
}

/*
 * Every script may run twice for one call, and a first run may come after a second one: where a connection breaks, nobody
 * knows what of it Redis will still read. Keys get a little more than the time they need, so that most writes find that
 * there is enough.
 */
const LIFE = `
local function live(key, ms)
  if redis.call('PTTL', key) < ms then redis.call('PEXPIRE', key, math.ceil(ms * 1.1)) end
end

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function integer(number)
  return string.format('%.0f', number)
end
`

/*
 * A server that was started again, or has taken another's place, may have lost the end of what was given out, and gives the
 * same offsets out again. So a position says in which run of a server it is, and from where on.
 */
const STREAM = `
local run = redis.call('INFO', 'server'):match('run_id:(%x+)') or ''

local function begin(position, log, epoch)
  redis.call('DEL', log)
  redis.call('HSET', position, 'epoch', epoch, 'offset', 0, 'run', run, 'base', 0)
  return epoch, 0
end

-- Where a stream is; with the given epoch one begins that there was none of.
local function whereabouts(position, log, epoch, ms)
  local found = redis.call('HMGET', position, 'epoch', 'offset', 'run')
  if not found[1] then
    found = { begin(position, log, epoch) }
  elseif found[3] ~= run then
    redis.call('HSET', position, 'run', run, 'base', found[2])
  end
  live(position, ms)
  return found[1], tonumber(found[2])
end

-- The newest message must not outlive the position, nor the history the newest message.
local function append(position, log, epoch, ms, tail, size, ttl)
  local current, offset = whereabouts(position, log, epoch, math.max(ms, ttl))
  offset = integer(offset + 1)
  redis.call('XADD', log, 'MAXLEN', size, offset .. '-0', 'x', integer(now() + ttl), 'm', tail)
  redis.call('HSET', position, 'offset', offset)
  live(log, ttl)
  return current, offset
end

local function line(epoch, offset, tail)
  return '["' .. epoch .. '",' .. offset .. ',' .. tail
end
`

/**
 * Appends and publishes a batch. One that was done already is answered as it was then; one that comes after a later batch
 * of the same publisher is dropped, since nobody waits for it any more and it would be out of order.
 *
 * KEYS: the publisher's latest batch; then for each publication the position, the log.
 * ARGV: number of the batch, how long it is remembered, command, epoch for new streams, life of positions; then for each
 * publication the channel, the message's tail, the size of the history (-1 for none), its life.
 * Returns for each one `{epoch, offset}`, `{}` without a history, or why it failed.
 */
export const publish = new Script(LIFE, STREAM, `
local batch, command, epoch, life = tonumber(ARGV[1]), ARGV[3], ARGV[4], tonumber(ARGV[5])

local function publish(k, a)
  local channel, tail, size = ARGV[a], ARGV[a + 1], tonumber(ARGV[a + 2])
  if size < 0 then
    redis.call(command, channel, '[null,0,' .. tail)
    return {}
  end
  local current, offset = append(KEYS[k], KEYS[k + 1], epoch, life, tail, size, tonumber(ARGV[a + 3]))
  redis.call(command, channel, line(current, offset, tail))
  return { current, offset }
end

local latest = redis.call('HMGET', KEYS[1], 'batch', 'results')
if latest[1] then
  if tonumber(latest[1]) == batch then return cjson.decode(latest[2]) end
  if tonumber(latest[1]) > batch then return redis.error_reply('LATE the publisher has gone on') end
end
local results = {}
for i = 0, (#KEYS - 1) / 2 - 1 do
  local ok, result = pcall(publish, i * 2 + 2, i * 4 + 6)
  results[i + 1] = ok and result or tostring(type(result) == 'table' and result.err or result)
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

/**
 * Changes who of a node is in a channel, and publishes what that means for users. Beside the nodes are two numbers: '+'
 * counts those who came, '#' the changes that were published.
 *
 * KEYS: clients, users, nodes. ARGV: command, Redis channel, channel as JSON, node, number of the call, life of the keys,
 * 'some', 'all' or 'gone'; then for each client '+' or '-', the id, the user as JSON or ''. With 'all' those who are not
 * named are removed, with 'gone' the node itself, too.
 */
export const presence = new Script(LIFE, `
local clients, users, nodes = KEYS[1], KEYS[2], KEYS[3]
local node = ARGV[4]

local function tell(kind, user)
  local number = integer(redis.call('HINCRBY', nodes, '#', 1))
  redis.call(ARGV[1], ARGV[2], '{"number":' .. number .. ',"kind":"' .. kind .. '","channel":' .. ARGV[3] .. ',"user_id":' .. user .. '}')
end

local function add(id, user)
  if redis.call('HEXISTS', clients, id) == 1 then return end
  local order = redis.call('HINCRBY', nodes, '+', 1)
  redis.call('HSET', clients, id, integer(order) .. ' ' .. node .. ' ' .. user)
  if user ~= '' and redis.call('HINCRBY', users, user, 1) == 1 then tell('joined', user) end
end

local function remove(id)
  local entry = redis.call('HGET', clients, id)
  if not entry then return end
  redis.call('HDEL', clients, id)
  local user = entry:match('^%d+ %S+ (.*)$')
  if user == '' or redis.call('HINCRBY', users, user, -1) > 0 then return end
  redis.call('HDEL', users, user)
  tell('left', user)
end

local seen = redis.call('HGET', nodes, node)
if seen and tonumber(seen) >= tonumber(ARGV[5]) then return 0 end
redis.call('HSET', nodes, node, ARGV[5])
if ARGV[7] ~= 'some' then
  local named = {}
  for i = 8, #ARGV, 3 do named[ARGV[i + 1]] = true end
  local all = redis.call('HGETALL', clients)
  for i = 1, #all, 2 do
    if not named[all[i]] and all[i + 1]:match('^%d+ (%S+)') == node then remove(all[i]) end
  end
end
for i = 8, #ARGV, 3 do
  if ARGV[i] == '+' then add(ARGV[i + 1], ARGV[i + 2]) else remove(ARGV[i + 1]) end
end
if ARGV[7] == 'gone' then redis.call('HDEL', nodes, node) end
for _, key in ipairs(KEYS) do live(key, tonumber(ARGV[6])) end
return 1
`)

/** Reads who is in a channel. KEYS: users, nodes. Returns the number of the latest change, and the users as JSON. */
export const roster = new Script(`
return { tonumber(redis.call('HGET', KEYS[2], '#') or 0), redis.call('HKEYS', KEYS[1]) }
`)

/**
 * Renews a node's lease.
 *
 * KEYS: leases, its channels. ARGV: node, life of a lease, life of what it has in channels.
 * Returns `{whether it had one, the nodes whose lease is over}`.
 */
export const renew = new Script(LIFE, `
local lease, time = tonumber(ARGV[2]), now()
local had = redis.call('ZSCORE', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[1], integer(time + lease), ARGV[1])
live(KEYS[1], lease * 4)
live(KEYS[2], tonumber(ARGV[3]))
return { had and tonumber(had) > time and 1 or 0, redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', integer(time)) }
`)

/** Forgets a node that has died. KEYS: leases, its channels. ARGV: node. */
export const forget = new Script(LIFE, `
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if score and tonumber(score) > now() then return 0 end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2])
return 1
`)

/** Notes in which channel a node has sockets. KEYS: its channels. ARGV: channel, life. */
export const enlist = new Script(LIFE, `
redis.call('SADD', KEYS[1], ARGV[1])
live(KEYS[1], tonumber(ARGV[2]))
return 1
`)

/** The nodes with a lease. KEYS: leases. */
export const nodes = new Script(LIFE, `
return redis.call('ZRANGEBYSCORE', KEYS[1], integer(now()), '+inf')
`)

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
 * KEYS: the record, position and log of the stream of ends. ARGV: settlement, id of the attempt, how long the record is
 * kept, command, channel, epoch for a new stream, life of positions, size and life of the history.
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
local epoch, offset = append(KEYS[2], KEYS[3], ARGV[6], tonumber(ARGV[7]), tail, ARGV[8], tonumber(ARGV[9]))
redis.call(ARGV[4], ARGV[5], line(epoch, offset, tail))
return { 1, entry[1], ARGV[1], at }
`)
