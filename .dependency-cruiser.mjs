/*
 * The order of the folders: a file imports only from its own layer and from those below it, types included. The highest layer is first.
 * README of the order: docs/ARCHITECTURE.md.
 */
export const layers = [
  ['client', '^client/'],
  ['index', '^lib/index\\.ts$'],
  ['plugin', '^lib/(plugin|options-from-env)\\.ts$'],
  ['routes', '^routes/'],
  ['manager', '^lib/(manager|signatures)\\.ts$'],
  ['node', '^lib/node\\.ts$'],
  ['options', '^lib/(options|option-conflicts)\\.ts$'],
  ['http', '^lib/http/'],
  ['tasks', '^lib/tasks/'],
  ['confirmations', '^lib/confirmations/'],
  ['sessions', '^lib/sessions/'],
  ['streams', '^lib/streams/'],
  ['cluster', '^lib/cluster/'],
  ['asyncapi', '^lib/asyncapi/'],
  ['protocol', '^lib/protocol/'],
  ['contract', '^lib/contract/'],
  ['auth', '^lib/auth/'],
  ['socket', '^lib/socket/'],
  ['validation', '^lib/validation/'],
  ['engine', '^lib/engine/'],
  ['telemetry', '^lib/telemetry/'],
  // All other files of lib: everything may use them.
  ['ground floor', '^lib/[^/]+\\.ts$'],
  ['schemas', '^schemas/']
]
const paths = layers.map(([, path]) => path)
const ours = '^(client|lib|routes|schemas)/'

const order = layers.slice(1).map(([name, path], index) => ({
  name: `${name} imports from below`,
  severity: 'error',
  from: { path, ...name === 'ground floor' && { pathNot: paths.slice(0, index + 1) } },
  to: { path: paths.slice(0, index + 1) }
}))

export default {
  forbidden: [
    ...order,
    { name: 'no circle of files', severity: 'error', from: { path: ours }, to: { circular: true } },
    {
      name: 'only plugin.ts names a concrete engine',
      severity: 'error',
      from: { path: ours, pathNot: '^lib/(plugin\\.ts$|engine/)' },
      to: { path: '^lib/engine/(memory|redis)/' }
    },
    {
      // A connection stands on a transport, of which the WebSocket is one.
      name: 'only the WebSocket transport and what builds it know WebSockets',
      severity: 'error',
      from: { path: ours, pathNot: '^(lib/(socket/websocket-transport\\.ts$|http/|node\\.ts$)|routes/socket\\.ts$)' },
      to: { path: ['(^|/)node_modules/(@types/)?ws/', '^lib/socket/websocket-'] }
    },
    {
      // What a page loads must not bring the server's code with it. Types cost nothing.
      name: 'the client takes values only from schemas/codes.ts',
      severity: 'error',
      from: { path: '^client/' },
      to: { path: '^(lib|routes|schemas)/', pathNot: '^schemas/codes\\.ts$', dependencyTypesNot: ['type-only'] }
    },
    {
      name: 'the client itself does not load its parts',
      severity: 'error',
      from: { path: '^client/[^/]+\\.ts$' },
      to: { path: '^client/[^/]+/', dependencyTypesNot: ['type-only'] }
    },
    {
      name: 'the client has no dependency but React, in its hooks',
      severity: 'error',
      from: { path: '^client/' },
      to: { pathNot: ['^(client|lib|routes|schemas)/', '(^|/)node_modules/(@types/)?react/'], dependencyTypesNot: ['type-only'] }
    },
    { name: 'every import is found', severity: 'error', from: { path: ours }, to: { couldNotResolve: true } }
  ],
  options: {
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['types', 'import', 'node', 'default'], extensions: ['.ts', '.js', '.d.ts'] }
  }
}
