import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

const TIMEOUT_MS = 300_000

/** A process that takes commands as lines of JSON and answers each; see `shared/lines.mjs`. */
export class LineProcess {
  name
  #child
  #waiting = new Map()
  #lastId = 0
  #greeting
  #isStopped = false

  constructor (name, command, args) {
    this.name = name
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#greeting = new Promise((resolve, reject) => this.#waiting.set(undefined, { resolve, reject }))
    this.#greeting.catch(() => {})
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#answered(JSON.parse(line)))
    this.#child.stdin.on('error', () => {})
    this.#child.on('error', (error) => this.#failAll(error))
    this.#child.on('exit', (code, signal) => {
      if (!this.#isStopped) this.#failAll(new Error(`${name} ended: ${signal ?? code}`))
    })
  }

  get pid () {
    return this.#child.pid
  }

  /** What the process says of itself when it is ready. */
  greeting () {
    return this.#greeting
  }

  /** Sends a command; rejects when it fails, when the process ends, and after five minutes. */
  request (name, command = {}) {
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.name} does not answer ${name}`)), TIMEOUT_MS)
      const settled = (settle) => (value) => {
        clearTimeout(timer)
        settle(value)
      }
      this.#waiting.set(id, { resolve: settled(resolve), reject: settled(reject) })
      this.#child.stdin.write(`${JSON.stringify({ ...command, id, name })}\n`)
    })
  }

  /** Ends with its input; a process that writes a profile takes a moment. */
  async stop () {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#isStopped = true
    const exited = once(this.#child, 'exit')
    this.#child.stdin.end()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 10_000)
    await exited
    clearTimeout(timer)
  }

  #answered ({ id, error, ...answer }) {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (error === undefined) waiting.resolve(answer)
    else waiting.reject(new Error(`${this.name}: ${error}`))
  }

  #failAll (error) {
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }
}
