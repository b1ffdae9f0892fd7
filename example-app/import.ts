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
  signal: AbortSignal
  /** Milliseconds that a batch takes. */
  batchMs: number
}

/** Pretends to import a file: reports its progress, comes to a bad row, asks what to do, and goes on or stops. */
export async function runImport (ws: WsManager, { taskId, userId, signal, batchMs }: ImportJob): Promise<void> {
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
    if (!signal.aborted) await ws.tasks.fail(taskId, error as Error)
  } finally {
    stopHeartbeat()
  }
}

async function mayGoOn (ws: WsManager, { taskId, userId, signal }: Omit<ImportJob, 'batchMs'>): Promise<boolean> {
  await ws.tasks.log(taskId, `Row ${BAD_ROW}: the date "31.02.2026" does not exist`, 'error')
  const { proceed, feedback, outcome } = await ws.notifyUser({
    step: 'read_rows',
    message: `Row ${BAD_ROW} cannot be read. Retry without its date?`,
    status: 'failed',
    error_code: 'BAD_DATE',
    error_message: 'the date "31.02.2026" does not exist'
  }, { userId, taskId, signal, timeoutMs: 120_000, onTimeout: 'cancel' })
  await ws.tasks.log(taskId, `${describe(outcome)}${feedback === undefined ? '' : `: ${feedback}`}`, proceed ? 'info' : 'warn')
  return proceed
}

function describe (outcome: string): string {
  return { confirmed: 'Going on without the date', declined: 'Stopped by the user', expired: 'Nobody answered' }[outcome] ?? 'Taken back'
}
