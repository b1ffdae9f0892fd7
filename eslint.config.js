import neostandard from 'neostandard'

export default [
  ...neostandard({ ts: true, ignores: ['dist/**', '.tap/**', 'node_modules/**'] }),
  {
    files: ['example-app/public/**/*.js'],
    languageOptions: { globals: { window: 'readonly', document: 'readonly', location: 'readonly', sessionStorage: 'readonly', WebSocket: 'readonly', ResizeObserver: 'readonly', fetch: 'readonly', crypto: 'readonly', console: 'readonly' } }
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
  }
]
