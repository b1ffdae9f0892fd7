/** What a browser says about its network and its page. Elsewhere none of it happens. */
export type PageEvent = 'offline' | 'online' | 'pagehide' | 'pageshow' | 'visibilitychange'

/** Listens until the signal fires, or as long as the page lives. */
export function onPage (events: readonly PageEvent[], listener: (event: Event) => void, signal?: AbortSignal): void {
  for (const event of events) globalThis.addEventListener?.(event, listener, { signal: signal! })
}

/** False only where the browser is sure that there is no network. */
export function mayBeOnline (): boolean {
  return globalThis.navigator?.onLine !== false
}
