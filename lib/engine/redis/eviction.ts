import { InvalidOptionError } from '../../errors.js'
import { isOurs } from '../../wire-error.js'
import { unavailable, type Deadline } from './deadline.js'
import type { Link } from './link.js'

/** @throws WSM_ERR_INVALID_OPTION if Redis may evict data that must not be lost, WSM_ERR_UNAVAILABLE */
export async function refuseEviction (link: Link, deadline: Deadline): Promise<void> {
  const client = await link.ready(deadline)
  const servers = client.nodes?.('master') ?? [client]
  for (const info of await deadline.race(Promise.all(servers.map((server) => server.call('info', 'memory')))).catch(unknown)) {
    const policy = /^maxmemory_policy:(\S+)/m.exec(String(info))?.[1]
    const limit = /^maxmemory:(\d+)/m.exec(String(info))?.[1]
    if (policy !== undefined && policy !== 'noeviction' && limit !== '0') throw mayEvict(policy)
  }
}

function unknown (error: unknown): never {
  throw isOurs(error) ? error : unavailable('it does not say whether it evicts keys', error)
}

function mayEvict (policy: string): Error {
  return new InvalidOptionError('engine', `needs a Redis that evicts nothing, but its maxmemory-policy is "${policy}", which would lose streams and questions. Set it to noeviction, or set the option acceptEviction`)
}
