import { createInterface } from 'node:readline'

/**
 * Answers the commands that come as lines of JSON on the standard input. A command `{id, name, …}` is answered with
 * `{id, …}` of what its function resolves to, or `{id, error}`. The process ends with its input.
 *
 * @param {Record<string, (command: object) => unknown>} commands
 */
export function serveCommands (commands) {
  const lines = createInterface({ input: process.stdin })
  lines.on('line', async (line) => {
    const { id, name, ...command } = JSON.parse(line)
    try {
      answer({ id, ...await commands[name](command) })
    } catch (error) {
      answer({ id, error: error.stack })
    }
  })
  lines.on('close', () => process.exit(0))
}

export function answer (message) {
  process.stdout.write(`${JSON.stringify(message)}\n`)
}
