import { Script } from './lua.js'

/**
 * Tests a write and a publication, and whether the user may run commands.
 *
 * KEYS: an unused key. ARGV: command to publish with, a channel without subscribers, commands. Returns the commands that the user
 * may not run.
 *
 * Redis checks permissions after the number of arguments and before their values, so calls with invalid values have no effect.
 * `redis.acl_check_cmd` is not used, since it crashes a server of version 7.0 if there are too few arguments.
 */
export const probe = new Script(`
-- First: once a script has written anything, Redis lets it continue even if memory is full.
local written = redis.pcall('SET', KEYS[1], '1')
local refused = {}

local function fault(name, ...)
  local result = redis.pcall(name, ...)
  return type(result) == 'table' and result.err or ''
end

local function isRefusal(says)
  return says:find("can't run", 1, true) or says:find('permissions to run', 1, true)
end

for i = 3, #ARGV do
  local key, arguments = KEYS[1], {}
  for _, count in ipairs({ 1, 2, 3, 4, 0 }) do
    for n = 1, 4 do arguments[n] = n <= count and key or nil end
    local says = fault(ARGV[i], unpack(arguments))
    if isRefusal(says) then refused[#refused + 1] = ARGV[i] end
    if not says:find('rong number of arg', 1, true) then break end
  end
end

if #refused > 0 then return refused end
if written.err then return written end
redis.call('DEL', KEYS[1])
local published = fault(ARGV[1], ARGV[2], '')
if isRefusal(published) then return { ARGV[1] } end
if published ~= '' then return redis.error_reply(published) end
return refused
`)

/** Tests a read. KEYS: an unused key. */
export const testRead = new Script(`
return redis.call('EXISTS', KEYS[1])
`)
