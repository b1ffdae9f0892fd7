import { setTimeout as sleep } from 'node:timers/promises'
import type { WsManager } from 'fastify-ws-manager'

const ROWS = 1_000
const BATCH = 50
/** A row that the import cannot read, and why. */
const BAD_ROW = 617
const BAD_DATE = '31.02.2026'

interface ImportJob {
  taskId: string
  userId: string
  /** Fires when the user cancels. */
  cancelled: AbortSignal
  /** Milliseconds that a batch takes. */
  batchMs: number
}

/** The imports of this node. They are its own: when it closes, their users are told that they end with it. */
export class Imports {
  readonly #running = new Set<Promise<void>>()
  readonly #closing = new AbortController()

  /** Resolves when it is over, and how it went has been told. */
  async run (ws: WsManager, job: ImportJob): Promise<void> {
    const run = runImport(ws, job, this.#closing.signal)
    this.#running.add(run)
    await run.finally(() => this.#running.delete(run))
  }

  async close (): Promise<void> {
    this.#closing.abort(new Error('The server restarts, and the import ends with it. Start it again.'))
    await Promise.allSettled(this.#running)
  }
}

/** Pretends to import a file: reports its progress, comes to a bad row, asks what to do, and goes on or stops. */
async function runImport (ws: WsManager, { taskId, userId, cancelled, batchMs }: ImportJob, closing: AbortSignal): Promise<void> {
  const signal = AbortSignal.any([cancelled, closing])
  const stopHeartbeat = ws.startHeartbeat({ userId, taskId, intervalMs: 5_000 })
  try {
    await ws.tasks.log(taskId, `Reading ${ROWS} rows`)
    let skipped = 0
    for (let row = BATCH; row <= ROWS; row += BATCH) {
      await sleep(batchMs, undefined, { signal })
      if (row - BATCH < BAD_ROW && BAD_ROW <= row) {
        const action = await askAboutBadRow(ws, { taskId, userId, signal })
        if (action === null) {
          await ws.tasks.fail(taskId, `Stopped at row ${BAD_ROW}`)
          return
        }
        if (action === 'skip') skipped++
      }
      await ws.tasks.progress(taskId, row / ROWS * 100, `${row} of ${ROWS} rows`)
      if (row % (BATCH * 4) === 0) await ws.tasks.log(taskId, `Imported rows ${row - BATCH * 4 + 1} to ${row}`)
    }
    await ws.tasks.done(taskId, { rows: ROWS - skipped })
  } catch (error) {
    // A cancelled task has ended already; what else goes wrong is the user's to know.
    if (!cancelled.aborted) await ws.tasks.fail(taskId, closing.aborted ? closing.reason : error as Error)
  } finally {
    stopHeartbeat()
  }
}

/** Asks what to do with the bad row; null: the import shall stop. */
async function askAboutBadRow (ws: WsManager, { taskId, userId, signal }: { taskId: string, userId: string, signal: AbortSignal }) {
  await ws.tasks.log(taskId, `Row ${BAD_ROW}: the date "${BAD_DATE}" does not exist`, 'error')
  const question = await ws.confirmations.ask({
    kind: 'import.bad_row',
    to: { user: userId },
    message: `Row ${BAD_ROW} cannot be read: its date does not exist. Go on?`,
    data: { row: BAD_ROW, column: 'date', value: BAD_DATE },
    taskId,
    step: 'read_rows',
    timeoutMs: 120_000,
    onTimeout: 'cancel',
    signal
  })
  const end = await question.settled()
  signal.throwIfAborted()
  const action = end.outcome === 'confirmed' ? end.answer.action : null
  await ws.tasks.log(taskId, `${describe(action ?? end.outcome)}${end.feedback === undefined ? '' : `: ${end.feedback}`}`, action === null ? 'warn' : 'info')
  return action
}

function describe (decision: string): string {
  return { import: 'Going on without the date', skip: 'Skipping the row', declined: 'Stopped by the user', expired: 'Nobody answered' }[decision] ?? 'Taken back'
}
