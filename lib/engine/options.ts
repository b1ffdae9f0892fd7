import type { EngineFactory } from './engine.js'
import { hook } from '../option-types.js'

/** Option of the engine. */
export const engineOptions = {
  engine: hook<EngineFactory>('Engine that the nodes share: redis(…) of fastify-ws-manager/redis; by default this node\'s memory')
}
