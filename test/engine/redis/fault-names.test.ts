import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { accessRule, FaultNames, isAccessDenied, isLasting, isUnnamed, refusal } from '../../../lib/engine/redis/access.js'
import { Keys } from '../../../lib/engine/redis/keys.js'
import { scriptCommands } from '../../../lib/engine/redis/probe.js'
import { root } from '../../fixtures/root.js'

const names = new FaultNames(new Keys('app', 3, false), false, 3)
const rule = '~app@3:* &app@3:* +@read +@write +@scripting +@pubsub -@dangerous +info +time +ping +select'

t.test('permission errors of several server versions are explained, with the rule', async (t) => {
  t.equal(accessRule(new Keys('app', 3, false), false, 3), rule)
  for (const [says, text] of [
    ['WRONGPASS invalid username-password pair or user is disabled.', 'it refuses this user name and password (WRONGPASS), or the user is disabled'],
    ['NOAUTH Authentication required.', 'it requires a password, and none was given (NOAUTH)'],
    ["NOPERM this user has no permissions to run the 'get' command", 'its user may not run get: allow it with +get'],
    ["NOPERM User app has no permissions to run the 'cluster|slots' command", 'its user may not run cluster|slots: allow it with +cluster|slots'],
    ["NOPERM this user has no permissions to run the 'HGET, TIME' command", 'its user may not run hget, time: allow it with +hget +time'],
    ["ERR The user executing the script can't run this command or subcommand script: a1, on @user_script:1.", 'its user may not run a command that scripts call'],
    ["ERR ACL failure in script: User app has no permissions to run the 'zadd' command script: a1", 'its user may not run zadd: allow it with +zadd'],
    ['NOPERM this user has no permissions to access one of the keys used as arguments', 'its user may not use the keys: allow them with ~app@3:*'],
    ['NOPERM No permissions to access a key', 'its user may not use the keys: allow them with ~app@3:*'],
    ["ERR The user executing the script can't access at least one of the keys mentioned in the command arguments", 'its user may not use the keys: allow them with ~app@3:*'],
    ['NOPERM this user has no permissions to access one of the channels used as arguments', 'its user may not use the channels: allow them with &app@3:*'],
    ["ERR The user executing the script can't publish to the channel mentioned in the command", 'its user may not use the channels: allow them with &app@3:*'],
    ['NOPERM something new', 'it denies its user a permission (NOPERM something new)']
  ] as const) {
    t.equal(names.textOf(new Error(says)), `${text}. All permissions that it needs: ${rule}`, says)
    t.ok(isAccessDenied(new Error(says)) && isLasting(new Error(says)))
  }
})

t.test('Redis faults other than permissions are explained without the access rule, and unknown ones keep their own message', async (t) => {
  for (const [error, text, isConfigured] of [
    [new Error('MISCONF Redis is configured to save RDB snapshots'), 'it refuses writes because it cannot save to disk (MISCONF)', false],
    [new Error('ERR DB index is out of range'), 'it has no database with this number (option db)', true],
    [new Error('self-signed certificate'), 'the TLS handshake failed (self-signed certificate)', true],
    [new Error('getaddrinfo ENOTFOUND redis.internal'), 'the connection failed (getaddrinfo ENOTFOUND redis.internal)', false],
    [new Error('None of startup nodes is available', { cause: new Error('connect ETIMEDOUT') }), 'the connection failed (connect ETIMEDOUT)', false],
    [Object.assign(new Error('Failed to refresh slots cache.'), { lastNodeError: new Error('connect ECONNREFUSED 127.0.0.1:1') }),
      'the connection failed (connect ECONNREFUSED 127.0.0.1:1)', false]
  ] as const) {
    t.equal(names.textOf(error), text)
    t.equal(isLasting(error), isConfigured)
    t.match(names.ofStart(error), { code: isConfigured ? 'WSM_ERR_INVALID_OPTION' : 'WSM_ERR_UNAVAILABLE', cause: error })
  }
  const circular = new Error('odd')
  circular.cause = circular
  for (const unknown of [circular, new Error('ERR value is not an integer'), null, 'WRONGPASS']) {
    t.equal(names.textOf(unknown), null)
    t.equal(names.ofStart(unknown), unknown)
  }
})

t.test('every command that a script calls is probed for permission', async (t) => {
  const folder = join(root, 'dist/lib/engine/redis')
  const named = new Set<string>()
  for (const file of (await readdir(folder)).filter((file) => file.endsWith('-scripts.js') && file !== 'probe-scripts.js')) {
    for (const script of Object.values(await import(join(folder, file)) as Record<string, { source?: string }>)) {
      for (const [, name] of script.source?.matchAll(/redis\.p?call\('(\w+)'/g) ?? []) named.add(name!)
    }
  }
  // Its subcommands are asked for by the call itself.
  named.delete('PUBSUB')
  t.ok(named.size > 20)
  t.strictSame([...named].filter((name) => !scriptCommands.includes(name)), [])
})

t.test('a refusal names the command by the line of its script, and unknown refusals keep the text of Redis', async (t) => {
  const script = { source: "local a = 1\nredis.call('HSET', KEYS[1])\nredis.call(command, KEYS[1])" }
  const cannot = (line: number) => `ERR The user executing the script can't run this command or subcommand script: a1, on @user_script:${line}.`
  const unnamed = 'its user may not run a command that scripts call'
  for (const [says, text, given] of [
    [cannot(2), 'its user may not run hset: allow it with +hset', script],
    [cannot(3), unnamed, script],
    [cannot(9), unnamed, script],
    [cannot(2), unnamed, undefined],
    ["ERR The user executing the script can't run this command or subcommand", unnamed, script],
    ['WRONGTYPE Operation script: a1, on @user_script:2.', 'WRONGTYPE Operation script: a1, on @user_script:2.', script],
    ['NOPERM No permissions to access a key', 'its user may not use the keys', script],
    ["OOM command not allowed when used memory > 'maxmemory'.", 'it refuses writes because it has reached its maxmemory (OOM): raise it, or lower history.maxBytes', script]
  ] as const) {
    const cause = new Error(says)
    const error = refusal('a command', cause, given)
    t.match(error, { message: `Redis is not available: it refused a command: ${text}`, clientMessage: 'Redis is not available: it refused a command', cause })
    t.equal(isUnnamed(error), text === unnamed)
  }
  t.notOk(isUnnamed(null))
})
