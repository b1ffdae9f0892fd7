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
 * A server that was started again, or has taken another's place, may have lost the end of what was given out, and gives the
 * same offsets out again. So a position says in which run of a server it is, and from where on.
 */
export const STREAM = `
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
