import neostandard from 'neostandard'

export default [
  ...neostandard({ ts: true, ignores: ['dist/**', '.tap/**', 'node_modules/**'] }),
  {
    files: ['example-app/public/**/*.js'],
    languageOptions: { globals: { window: 'readonly', document: 'readonly', location: 'readonly', sessionStorage: 'readonly', IntersectionObserver: 'readonly', ResizeObserver: 'readonly', fetch: 'readonly', console: 'readonly' } }
  },
  {
    files: ['**/*.ts'],
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      // A TypeBox schema and the type that it describes have one name.
      '@typescript-eslint/no-redeclare': 'off',
      'no-redeclare': 'off',
      // Fields of the wire are snake_case.
      camelcase: 'off'
    }
  },
  {
    // Messages of the wire are what the server says that they are; without a contract an app's messages have any fields.
    files: ['client/**/*.ts', 'test/browsers/**/*.ts', 'test/client/**/*.ts', 'test/fixtures/{firefox,page-client,webkit}.ts'],
    rules: { '@typescript-eslint/no-explicit-any': 'off' }
  },
  {
    // Traffic of sockets is parsed and printed in few places. The others here use JSON for something else: schemas that are stored, the
    // description of an app, the message about a bad option, details of errors, the size of a call, and the answers of REST routes.
    files: ['lib/**/*.ts', 'routes/**/*.ts'],
    ignores: [
      'lib/asyncapi/{component-schemas,description,frame-schema}.ts', 'lib/contract/answer.ts', 'lib/protocol/**', 'lib/socket/message.ts', 'lib/engine/redis/**',
      'lib/validation/{canonical-text,json-literals,json-schema}.ts', 'lib/options.ts', 'lib/wire-error.ts', 'routes/call.ts', 'routes/json-answer.ts'
    ],
    rules: { 'no-restricted-globals': ['error', 'JSON'] }
  },
  {
    files: ['lib/**/*.ts', 'routes/**/*.ts'],
    ignores: ['lib/http/**'],
    rules: { 'no-restricted-properties': ['error', { property: 'websocketServer', message: 'Only lib/http knows @fastify/websocket.' }] }
  },
  {
    // A limit counts what it refuses: its errors are made by its declaration. An engine knows no counters and reports its evictions.
    files: ['lib/**/*.ts', 'routes/**/*.ts'],
    ignores: ['lib/telemetry/**', 'lib/engine/used-share.ts', 'lib/wire-error.ts'],
    rules: {
      'no-restricted-syntax': ['error', {
        selector: 'NewExpression[callee.name=/^(TooMany\\w+|RateLimited|TooDeep|AlreadyConnected)Error$/]',
        message: 'Use the limit of lib/telemetry/limits.ts, which counts the refusal.'
      }]
    }
  }
]
