import { Script } from './lua.js'

/**
 * Sees whether Redis takes a write and a publication, and lets this user run all commands that there are in scripts.
 *
 * KEYS: a key that nobody uses. ARGV: command to publish with, a channel that nobody listens to, how many commands for channels
 * follow; these; then other commands, each with its first argument.
 *
 * Returns the commands that the user may not run, or `&` for channels that it may not use. Before Redis 7 that is found out by
 * running them.
 */
export const probe = new Script(`
local refused = {}
local function allows(...)
  local isKnown, isAllowed = pcall(redis.acl_check_cmd, ...)
  return isAllowed or not isKnown
end
if redis.acl_check_cmd then
  local others = 4 + tonumber(ARGV[3])
  for i = 4, others - 1 do
    if not allows(ARGV[i]) then refused[#refused + 1] = ARGV[i] end
  end
  for i = others, #ARGV, 2 do
    if not allows(ARGV[i], ARGV[i + 1]) then refused[#refused + 1] = ARGV[i] end
  end
  if #refused == 0 and not allows(ARGV[4], ARGV[2]) then refused[1] = '&' end
end
if #refused > 0 then return refused end
redis.call('SET', KEYS[1], '1')
redis.call('DEL', KEYS[1])
redis.call(ARGV[1], ARGV[2], '')
return refused
`)

/** Sees whether Redis can be read from. KEYS: a key that nobody uses. */
export const look = new Script(`
return redis.call('EXISTS', KEYS[1])
`)
