import { burst } from './burst.mjs'
import { channels } from './channels.mjs'
import { client } from './client.mjs'
import { compressed } from './compressed.mjs'
import { connect } from './connect.mjs'
import { fanout } from './fanout.mjs'
import { jitter } from './jitter.mjs'
import { memory } from './memory.mjs'
import { mixed, mixedSmall } from './mixed.mjs'
import { nodesAsk, nodesBurst, nodesSingle } from './nodes.mjs'
import { rpc1, rpc8 } from './rpc.mjs'
import { schemas } from './schemas.mjs'
import { slow } from './slow.mjs'

/**
 * By name, in the order that they run in. A scenario has its `peers`, the first of them the one that the targets are
 * about; `run(bench, peers)`, which resolves to the rounds of each; and which of their `figures` are shown. One that
 * `isOnDemand` runs only when it is named.
 */
export const scenarios = Object.fromEntries(
  [fanout, burst, channels, mixed, mixedSmall, rpc1, rpc8, schemas, memory, connect, compressed, slow, nodesBurst, nodesSingle, nodesAsk, jitter, client].map((scenario) => [scenario.name, scenario]))
