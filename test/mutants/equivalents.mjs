/**
 * Changes that no test can notice, since nothing that anybody can see depends on them: by file, the line as it is in the build, what is
 * changed, and why.
 *
 * @type {{ file: string, line: string, before: string, after: string, reason: string }[]}
 */
export const equivalents = [
  {
    file: 'dist/lib/engine/redis/lane.js',
    line: 'this.open.set(segment, Math.max(number, this.open.get(segment) ?? 0));',
    before: '0',
    after: '1',
    reason: 'numbers of a lane begin with 1'
  },
  {
    file: 'dist/lib/engine/memory/presence.js',
    line: 'this.#channels.clear();',
    before: 'this.#channels.clear();',
    after: ';',
    reason: 'in close(), after which nothing is asked: memory goes with the engine'
  },
  {
    file: 'dist/lib/engine/redis/streams.js',
    line: 'const NOTHING_KEPT = { size: -1, ttlMs: 0 };',
    before: '0',
    after: '1',
    reason: 'the script looks at the life of a history only where its size is not negative'
  },
  {
    file: 'dist/lib/socket/send-queue.js',
    line: "return 'queued';",
    before: "return 'queued';",
    after: 'return undefined;',
    reason: 'a queue that has taken a message has dropped none since it told of them, and its caller looks for nothing else'
  },
  {
    file: 'dist/lib/engine/revocation-list.js',
    line: 'const known = this.#tokens.get(revocation.jti) ?? 0;',
    before: '0',
    after: '1',
    reason: 'no revocation expires in the first millisecond of 1970'
  },
  {
    file: 'dist/lib/engine/revocation-list.js',
    line: 'return jti !== null && (this.#tokens.get(jti) ?? 0) > this.#clock.now();',
    before: '0',
    after: '1',
    reason: 'the same moment, which is over'
  },
  {
    file: 'dist/lib/http/pending-request.js',
    line: 'return Promise.resolve();',
    before: 'return Promise.resolve();',
    after: 'return undefined;',
    reason: 'it is awaited together with others'
  },
  {
    file: 'dist/lib/events.js',
    line: 'user_joined: true,',
    before: 'true',
    after: 'false',
    reason: 'only the names are read'
  },
  {
    file: 'dist/lib/socket/send-queue.js',
    line: "return 'dropped';",
    before: "return 'dropped';",
    after: 'return undefined;',
    reason: 'its caller looks for what was queued or overflows, and takes all else for dropped'
  },
  {
    file: 'dist/lib/events.js',
    line: 'confirmation_settled: true,',
    before: 'true',
    after: 'false',
    reason: 'only the names are read'
  },
  {
    file: 'dist/lib/engine/redis/revocations.js',
    line: 'for (let at = 0; at < lost.length; at += AT_ONCE) {',
    before: '<',
    after: '<=',
    reason: 'at most one more batch, which is empty'
  },
  {
    file: 'dist/lib/engine/memory/confirmations.js',
    line: 'this.#lists.clear();',
    before: 'this.#lists.clear();',
    after: ';',
    reason: 'in close(), after which nothing is asked: memory goes with the engine'
  },
  {
    file: 'dist/lib/plugin.js',
    line: 'graceMs: mayHaveOlder ? 0 : options.auth.timeoutMs',
    before: '0',
    after: '1',
    reason: 'a millisecond more of grace'
  },
  {
    file: 'dist/lib/engine/redis/tickets.js',
    line: 'const lifeMs = Math.max(1, Math.ceil(expiresAt - this.#clock.now()));',
    before: '1',
    after: '0',
    reason: 'a key whose life is set to nothing is gone at once, as one that lives for a millisecond'
  },
  {
    file: 'dist/lib/auth/keys.js',
    line: 'return found;',
    before: 'return found;',
    after: 'return undefined;',
    reason: '@fastify/jwt looks at what a key function returns only if it is a promise, which this is not'
  },
  {
    file: 'dist/lib/streams/topics.js',
    line: 'if (members.size === 0 && others === NOBODY)',
    before: 'members.size === 0 && others === NOBODY',
    after: 'false',
    reason: 'a message for nobody is only encoded in vain'
  }
]
