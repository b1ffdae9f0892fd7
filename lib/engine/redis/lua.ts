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
export const LIFE = `
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
 * A stream is { position, log, beginnings, forgotten, window }: its own two keys, and where those begin that have none.
 *
 * A server that was started again, or has taken another's place, may have lost the end of what was given out, and gives the
 * same offsets out again. So a position says in which run of a server it is, and from where on.
 *
 * A stream that nobody has published to has no keys: it is at offset 0 of an epoch that all of them share. That epoch ends
 * after a `window`; the one before is good for another. Both windows together are shorter than the life of a position, so
 * a stream that was published to and has expired did not begin in an epoch that is still good: nobody who has a position
 * from before its first message is told that nothing is missing. Streams that are removed earlier are noted in `forgotten`
 * until then, and begin in an epoch of their own. A restart ends the epoch, too, since it may have lost whole streams; `last` is
 * the epoch before, whatever ended it, for nodes that have listened all the time. With a window of 0, for a server that
 * evicts keys as it likes, each stream has its keys from the first look on.
 */
export const STREAM = `
local run = redis.call('INFO', 'server'):match('run_id:(%x+)') or ''

-- The epoch in which streams begin, and the one before; '' where that is not good any more.
local function beginnings(stream, fresh)
  local time = now()
  local found = redis.call('HMGET', stream.beginnings, 'epoch', 'before', 'since', 'run')
  local age = time - (tonumber(found[3]) or 0)
  local isGood = found[1] and found[4] == run and age >= 0
  if isGood and age < stream.window then return found[1], found[2] end
  local last = age >= 0 and age < stream.window * 2 and found[1] or ''
  local before = isGood and last or ''
  redis.call('HSET', stream.beginnings, 'epoch', fresh, 'before', before, 'last', last, 'since', integer(time), 'run', run)
  redis.call('PEXPIRE', stream.beginnings, integer(stream.window * 2))
  return fresh, before
end

-- With also, offset 0 of that epoch is the stream's beginning as well.
local function begin(stream, epoch, also, ms)
  redis.call('DEL', stream.log, stream.position)
  redis.call('HSET', stream.position, 'epoch', epoch, 'offset', 0, 'run', run, 'base', 0)
  if also ~= '' then redis.call('HSET', stream.position, 'also', also) end
  redis.call('PEXPIRE', stream.position, math.ceil(ms * 1.1))
  return epoch, 0, also, true
end

-- Where a stream is: epoch, offset, the other epoch in which it may have begun, and whether it has keys.
local function whereabouts(stream, fresh, ms)
  local found = redis.call('HMGET', stream.position, 'epoch', 'offset', 'run', 'also')
  if not found[1] then
    if stream.window == 0 or redis.call('ZSCORE', stream.forgotten, stream.position) then return begin(stream, fresh, '', ms) end
    local epoch, before = beginnings(stream, fresh)
    return epoch, 0, before, false
  end
  if found[3] ~= run then redis.call('HSET', stream.position, 'run', run, 'base', found[2]) end
  live(stream.position, ms)
  return found[1], tonumber(found[2]), found[4] or '', true
end

-- The newest message must not outlive the position, nor the history the newest message.
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

local function line(epoch, offset, tail)
  return '["' .. epoch .. '",' .. offset .. ',' .. tail
end
`
