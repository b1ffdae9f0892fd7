import { KEY_LIFETIME, Script } from './lua.js'
import { LAYOUT } from './wire.js'

/**
 * Changes a node's clients in a channel, and publishes the resulting changes of users. Two counters are stored beside the nodes:
 * '+' counts clients that joined, '#' the published changes.
 *
 * KEYS: clients, users, nodes. ARGV: command, Redis channel, channel as JSON, node, number of the call, lifetime of the keys,
 * 'some', 'all' or 'gone'; then for each client '+' or '-', the id, the user as JSON or ''. 'all' removes the clients that are
 * not listed, 'gone' also the node itself. Returns the published changes, each as number, kind and user.
 */
export const presence = new Script(KEY_LIFETIME, `
local clients, users, nodes = KEYS[1], KEYS[2], KEYS[3]
local node = ARGV[4]
local told = {}

local function tell(kind, user)
  local number = integer(redis.call('HINCRBY', nodes, '#', 1))
  for _, part in ipairs({ number, kind, user }) do told[#told + 1] = part end
  redis.call(ARGV[1], ARGV[2], '{"layout":"${LAYOUT}","number":' .. number .. ',"kind":"' .. kind .. '","channel":' .. ARGV[3] .. ',"user_id":' .. user .. '}')
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
if seen and tonumber(seen) >= tonumber(ARGV[5]) then return told end
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
return told
`)

/** Reads the users in a channel. KEYS: users, nodes. Returns the number of the latest change, and the users as JSON. */
export const roster = new Script(`
return { tonumber(redis.call('HGET', KEYS[2], '#') or 0), redis.call('HKEYS', KEYS[1]) }
`)

/** Reads the clients in a channel. KEYS: clients. Returns their ids and stored values. */
export const list = new Script(`
return { redis.call('HKEYS', KEYS[1]), redis.call('HVALS', KEYS[1]) }
`)

/** Records that a node has sockets in a channel. KEYS: its channels. ARGV: channel, lifetime. */
export const enlist = new Script(KEY_LIFETIME, `
redis.call('SADD', KEYS[1], ARGV[1])
live(KEYS[1], tonumber(ARGV[2]))
return 1
`)
