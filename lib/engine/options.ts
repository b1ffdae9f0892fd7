import type { EngineFactory } from './engine.js'
import { hook } from '../option-types.js'

/** Option of the engine. */
export const engineOptions = {
  engine: hook<EngineFactory>('Engine that the nodes share, for example redis() from fastify-ws-manager/redis. Default: in memory, for one node')
}
