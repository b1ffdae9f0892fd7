import { setTimeout as sleep } from 'node:timers/promises'
import type { WsManager } from 'fastify-ws-manager'

const ROWS = 1_000
const BATCH = 50
/** Where the import comes to a row that it cannot read. */
const BAD_ROW = 617

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
    for (let row = BATCH; row <= ROWS; row += BATCH) {
      await sleep(batchMs, undefined, { signal })
      if (row - BATCH < BAD_ROW && BAD_ROW <= row && !await mayGoOn(ws, { taskId, userId, signal })) {
        await ws.tasks.fail(taskId, `Stopped at row ${BAD_ROW}`)
        return
      }
      await ws.tasks.progress(taskId, row / ROWS * 100, `${row} of ${ROWS} rows`)
      if (row % (BATCH * 4) === 0) await ws.tasks.log(taskId, `Imported rows ${row - BATCH * 4 + 1} to ${row}`)
    }
    await ws.tasks.done(taskId, { rows: ROWS })
  } catch (error) {
    // A cancelled task has ended already; what else goes wrong is the user's to know.
    if (!cancelled.aborted) await ws.tasks.fail(taskId, closing.aborted ? closing.reason : error as Error)
  } finally {
    stopHeartbeat()
  }
}

async function mayGoOn (ws: WsManager, { taskId, userId, signal }: { taskId: string, userId: string, signal: AbortSignal }): Promise<boolean> {
  await ws.tasks.log(taskId, `Row ${BAD_ROW}: the date "31.02.2026" does not exist`, 'error')
  const { proceed, feedback, outcome } = await ws.notifyUser({
    step: 'read_rows',
    message: `Row ${BAD_ROW} cannot be read. Retry without its date?`,
    status: 'failed',
    error_code: 'BAD_DATE',
    error_message: 'the date "31.02.2026" does not exist'
  }, { userId, taskId, signal, timeoutMs: 120_000, onTimeout: 'cancel' })
  signal.throwIfAborted()
  await ws.tasks.log(taskId, `${describe(outcome)}${feedback === undefined ? '' : `: ${feedback}`}`, proceed ? 'info' : 'warn')
  return proceed
}

function describe (outcome: string): string {
  return { confirmed: 'Going on without the date', declined: 'Stopped by the user', expired: 'Nobody answered' }[outcome] ?? 'Taken back'
}
