import { createHash } from 'node:crypto'

/** A Lua script, and the hash under which Redis caches it. */
export class Script {
  readonly source: string
  readonly sha: string

  constructor (...parts: string[]) {
    this.source = parts.join('\n')
    this.sha = createHash('sha1').update(this.source).digest('hex')
  }
}

/*
 * Every script may run twice for one call, and the abandoned run may come after the repeated one: Redis may still read calls from
 * a connection that has broken. Keys live a little longer than needed, so that most writes need not extend them.
 */
export const KEY_LIFETIME = `
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

/** Lifetime of a rarely used lane. An expired lane begins a new generation. */
export const LANE_LIFETIME_MS = 5_184_000_000

/*
 * Redis can go back in time: it restarts from an older file, or a lagging replica replaces its master. Its data is then still a
 * prefix of everything that was done. So each lane (one server, or one slot of a cluster) counts its scripts, and a node that has
 * seen a number can check whether it is still there: see `lineage.ts`.
 *
 * The last of KEYS is the lane. Its `run` is the id under which the server was master (`master_replid`, which changes with each
 * restart and each promotion); if that has changed, scripts do nothing until the nodes have settled the consequences. Its
 * `segment` is new after each such change, `<generation>.<name>`: of two simultaneous masters each continues in its own. The
 * generation is new if something was lost. `adopts` is the run of the server (`run_id`) while it may have keys of a version
 * without generations; else ''.
 */
export const LINEAGE = `
local LANE = KEYS[#KEYS]
local lane = redis.call('HMGET', LANE, 'run', 'segment', 'number', 'adopts')
if lane[1] ~= redis.call('INFO', 'replication'):match('master_replid:(%x+)') then return redis.error_reply('UNSURE this server may have lost writes') end
local segment, number = lane[2], tonumber(lane[3])
local generation, adopts = segment:match('^[^.]+'), lane[4] or ''

-- True for a key of this generation, and for a key without one that a version without generations may have left.
local function isCurrent(its)
  return its == generation or (not its and adopts ~= '')
end

-- Does the same for keys in which such a version stored the server's run: it must be the adopted run.
local function isCurrentIn(run, its)
  return isCurrent(its) and (its or run == adopts)
end

-- Call before the first write.
local function count()
  number = redis.call('HINCRBY', LANE, 'number', 1)
  if number % 256 == 0 then redis.call('PEXPIRE', LANE, '${LANE_LIFETIME_MS}') end
end

-- Creates a unique epoch: a lost call that is repeated in another segment creates another one.
local function unique(epoch)
  return epoch .. segment:match('%.(.*)')
end

local function answer(result)
  return { segment, number, result }
end

-- Prefix of a message to the nodes: its receivers have seen this number. Empty while a node of a version without it is present.
local function mark(layout)
  return layout == '' and '' or layout .. ' ' .. segment .. ' ' .. integer(number) .. ' '
end
`

/*
 * A stream is { position, log, beginnings, forgotten, window }: its own two keys, and the keys for streams that have not begun.
 *
 * A position of another generation than the lane's is invalid: the stream begins a new epoch.
 *
 * A stream without publications has no keys: it is at offset 0 of an epoch shared by all such streams. That epoch ends after a
 * `window`; the previous one stays valid for another window. Both together are shorter than the lifetime of a position, so a
 * stream that was published to and has expired did not begin in a valid epoch: no holder of a position from before its first
 * message is told that nothing is missing. Streams that are removed earlier are listed in `forgotten` until then, and begin in an
 * epoch of their own. A new generation ends the epoch, too, since whole streams may have been lost. `last` is the previous epoch,
 * kept for nodes that have listened all the time, if the epoch ended only because `forgotten` had too many names. With a window
 * of 0, for a server that evicts arbitrary keys, each stream has keys from its first read on.
 */
export const STREAM = `
-- The epoch in which streams begin, and the previous one; '' if that is no longer valid.
local function beginnings(stream, fresh)
  local time = now()
  local found = redis.call('HMGET', stream.beginnings, 'epoch', 'before', 'since', 'generation', 'run')
  local age = time - (tonumber(found[3]) or 0)
  local isGood = found[1] and isCurrentIn(found[5], found[4]) and age >= 0
  if isGood and age < stream.window then return found[1], found[2] end
  local before = isGood and age < stream.window * 2 and found[1] or ''
  redis.call('HSET', stream.beginnings, 'epoch', fresh, 'before', before, 'last', before, 'since', integer(time),
    'generation', generation, 'run', adopts)
  redis.call('PEXPIRE', stream.beginnings, integer(stream.window * 2))
  return fresh, before
end

-- Does the same for a position. A version without generations stored the position at the server's latest restart, if any:
-- anything after it may be lost. No client asks for a position after its lifetime.
local function isPositionCurrent(stream, its, ms)
  if its then return false end
  local left = redis.call('HMGET', stream.position, 'run', 'base')
  if not isCurrentIn(left[1], its) then return false end
  return left[2] == '0' or redis.call('INFO', 'server'):match('uptime_in_seconds:(%d+)') * 1000 > ms
end

-- With also, offset 0 of that epoch is the stream's beginning, too.
local function begin(stream, epoch, also, ms)
  redis.call('DEL', stream.log, stream.position)
  redis.call('HSET', stream.position, 'epoch', epoch, 'offset', 0, 'generation', generation)
  if also ~= '' then redis.call('HSET', stream.position, 'also', also) end
  redis.call('PEXPIRE', stream.position, math.ceil(ms * 1.1))
  return epoch, 0, also, true
end

-- Position of a stream: epoch, offset, the other epoch in which it may have begun, and whether it has keys.
local function whereabouts(stream, fresh, ms)
  local found = redis.call('HMGET', stream.position, 'epoch', 'offset', 'generation', 'also')
  if not found[1] then
    if stream.window == 0 or redis.call('ZSCORE', stream.forgotten, stream.position) then return begin(stream, fresh, '', ms) end
    local epoch, before = beginnings(stream, fresh)
    return epoch, 0, before, false
  end
  if found[3] ~= generation then
    if not isPositionCurrent(stream, found[3], ms) then return begin(stream, fresh, '', ms) end
    redis.call('HSET', stream.position, 'generation', generation)
  end
  live(stream.position, ms)
  return found[1], tonumber(found[2]), found[4] or '', true
end

-- The newest message must not outlive the position, nor the history its newest message.
local function append(stream, fresh, ms, tail, sender, size, ttl)
  ms = math.max(ms, ttl)
  local epoch, offset, also, exists = whereabouts(stream, fresh, ms)
  if not exists then begin(stream, epoch, also, ms) end
  local time = now()
  offset = integer(offset + 1)
  local id = offset .. '-' .. integer(time)
  if sender == '' then
    redis.call('XADD', stream.log, 'MAXLEN', size, id, 'x', integer(time + ttl), 'm', tail)
  else
    redis.call('XADD', stream.log, 'MAXLEN', size, id, 'x', integer(time + ttl), 'm', tail, 's', sender)
  end
  redis.call('HSET', stream.position, 'offset', offset)
  live(stream.log, ttl)
  return epoch, offset
end

local function line(prefix, epoch, offset, tail)
  return prefix .. '["' .. epoch .. '",' .. offset .. ',' .. tail
end
`
