import { KEY_LIFETIME, Script } from './lua.js'

/*
 * A call is a hash { print, runner, until, outcome }. One that was not run leaves { refused } for the time of a lease: `begin` of the same
 * attempt may still come, and must not begin it again.
 */

/**
 * Begins a call, or returns the state of an earlier one.
 *
 * KEYS: the call. ARGV: print, runner, lease, retention; milliseconds. Returns the state, and the outcome of a call that ended.
 */
export const begin = new Script(KEY_LIFETIME, `
local found = redis.call('HMGET', KEYS[1], 'print', 'runner', 'until', 'outcome', 'refused')
if found[5] == ARGV[2] then return { 'lost' } end
if not found[1] then
  redis.call('HSET', KEYS[1], 'print', ARGV[1], 'runner', ARGV[2], 'until', integer(now() + ARGV[3]))
  redis.call('HDEL', KEYS[1], 'refused')
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  return { 'new' }
end
if found[1] ~= ARGV[1] then return { 'other' } end
if found[4] then return { 'ended', found[4] } end
if found[2] == ARGV[2] then return { 'new' } end
return { tonumber(found[3]) < now() and 'lost' or 'running' }
`)

/** Renews the lease of a running call, which Redis may have lost. KEYS: the call. ARGV: print, runner, lease, retention. */
export const renew = new Script(KEY_LIFETIME, `
local found = redis.call('HMGET', KEYS[1], 'runner', 'outcome', 'refused')
if (found[1] and found[1] ~= ARGV[2]) or found[2] or found[3] == ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'print', ARGV[1], 'runner', ARGV[2], 'until', integer(now() + ARGV[3]))
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
`)

/** Stores the outcome of a call, which Redis may have lost. KEYS: the call. ARGV: print, runner, outcome, retention. */
export const finish = new Script(`
local found = redis.call('HMGET', KEYS[1], 'runner', 'outcome')
if (found[1] and found[1] ~= ARGV[2]) or found[2] then return 0 end
redis.call('HSET', KEYS[1], 'print', ARGV[1], 'runner', ARGV[2], 'outcome', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
`)

/** Forgets a call that was not run. KEYS: the call. ARGV: runner, lease. */
export const forget = new Script(`
local runner = redis.call('HMGET', KEYS[1], 'runner')[1]
if runner and runner ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'refused', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
`)
