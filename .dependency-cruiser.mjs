/*
 * Order of the folders: a folder imports only from those below it, types included. The highest is first.
 * `lib/*.ts` is two layers: the files that put the system together, and the ground floor, which everything may use.
 */
const layers = [
  ['index', '^lib/index\\.ts$'],
  ['plugin', '^lib/plugin\\.ts$'],
  ['routes', '^routes/'],
  ['manager', '^lib/manager\\.ts$'],
  ['node', '^lib/node\\.ts$'],
  ['http', '^lib/http/'],
  ['tasks', '^lib/tasks/'],
  ['confirmations', '^lib/confirmations/'],
  ['sessions', '^lib/sessions/'],
  ['streams', '^lib/streams/'],
  ['cluster', '^lib/cluster/'],
  ['protocol', '^lib/protocol/'],
  ['auth', '^lib/auth/'],
  ['socket', '^lib/socket/'],
  ['validation', '^lib/validation/'],
  ['engine', '^lib/engine/'],
  ['telemetry', '^lib/telemetry/'],
  ['ground floor', '^lib/[^/]+\\.ts$'],
  ['schemas', '^schemas/']
]

const order = layers.slice(1).map(([name, path], index) => {
  const above = layers.slice(0, index + 1)
  // The ground floor are the files of `lib` that are not a layer of their own.
  const own = layers.filter(([, other]) => other.startsWith('^lib/') && other.endsWith('\\.ts$') && other !== path).map(([, other]) => other)
  return {
    name: `${name} is below ${above.map(([each]) => each).join(', ')}`,
    severity: 'error',
    from: { path, ...(name === 'ground floor' ? { pathNot: own } : {}) },
    to: { path: above.map(([, each]) => each), ...(name === 'schemas' ? {} : {}) }
  }
})

export default {
  forbidden: [
    ...order,
    { name: 'no circle of files', severity: 'error', from: { path: '^(lib|routes|schemas)/' }, to: { circular: true } },
    { name: 'only plugin.ts names a concrete engine', severity: 'error', from: { pathNot: '^lib/(plugin\\.ts$|engine/)' }, to: { path: '^lib/engine/(memory|redis)/' } },
    { name: 'only socket and http touch a WebSocket', severity: 'error', from: { path: '^(lib|routes|schemas)/', pathNot: '^(lib/(socket|http)/|routes/socket\\.ts$)' }, to: { path: '^node_modules/(@types/)?ws/' } },
    { name: 'nothing unresolved', severity: 'error', from: {}, to: { couldNotResolve: true } }
  ],
  options: {
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['types', 'import', 'node', 'default'], extensions: ['.ts', '.js', '.d.ts'] }
  }
}
