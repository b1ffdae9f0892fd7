import { OURS } from '../peers/index.mjs'
import { requested } from './requested.mjs'

/** The only kind that every build knows. */
const OLDEST = 'TypeBox 0.34'

/** The load of `rpc-8` with schemas of each kind. The names are those in `peers/request-schemas.mjs`. */
export const schemas = requested({
  name: 'schemas',
  title: '100 sockets, eight requests in flight each, checked by schemas of each kind',
  sockets: 100,
  inFlight: 8,
  peers: [OLDEST, 'TypeBox 1.x', 'JSON Schema'],
  isOwnOnly: true,
  isOnDemand: true,
  targets: ['TypeBox 1.x', 'JSON Schema'].map((of) => ({ of, figure: 'cpuMicros', peer: OLDEST, most: 1.1 })),
  runsOf: (bench, kinds) => new Map([...bench.variants(kinds)]
    .filter(([, { variant, build }]) => build === OURS || variant === OLDEST)
    .map(([key, { variant, build }]) => [key, { peer: build, settings: { schemas: variant } }]))
})
