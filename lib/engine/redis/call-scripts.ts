import { KEY_LIFETIME, Script } from './lua.js'

/**
 * Begins a call, or tells what became of an earlier one of its key.
 *
 * KEYS: the call. ARGV: print, runner, lease, time to keep it; milliseconds. Returns the state, and the outcome of a call that ended.
 */
export const begin = new Script(KEY_LIFETIME, `
local found = redis.call('HMGET', KEYS[1], 'print', 'runner', 'until', 'outcome')
if not found[1] then
  redis.call('HSET', KEYS[1], 'print', ARGV[1], 'runner', ARGV[2], 'until', integer(now() + ARGV[3]))
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  return { 'new' }
end
if found[1] ~= ARGV[1] then return { 'other' } end
if found[4] then return { 'ended', found[4] } end
-- The same attempt, run twice.
if found[2] == ARGV[2] then return { 'new' } end
return { tonumber(found[3]) < now() and 'lost' or 'running' }
`)

/** Renews the lease of a running call. KEYS: the call. ARGV: runner, lease, time to keep it. */
export const renew = new Script(KEY_LIFETIME, `
local found = redis.call('HMGET', KEYS[1], 'runner', 'outcome')
if found[1] ~= ARGV[1] or found[2] then return 0 end
redis.call('HSET', KEYS[1], 'until', integer(now() + ARGV[2]))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
`)

/** Stores the outcome of a call; '' forgets it. KEYS: the call. ARGV: runner, outcome, time to keep it. */
export const finish = new Script(`
if redis.call('HGET', KEYS[1], 'runner') ~= ARGV[1] then return 0 end
if ARGV[2] == '' then return redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[1], 'outcome', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
`)
