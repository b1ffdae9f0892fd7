/** Events of a browser about its network and its page. Node.js has none of them. */
export type PageEvent = 'offline' | 'online' | 'pagehide' | 'pageshow' | 'visibilitychange'

/** Listens to events of the page until the signal fires; without one, for the life of the page. */
export function onPage (events: readonly PageEvent[], listener: (event: Event) => void, signal?: AbortSignal): void {
  for (const event of events) globalThis.addEventListener?.(event, listener, { signal: signal! })
}

/** False only if the browser is sure that there is no network. */
export function mayBeOnline (): boolean {
  return globalThis.navigator?.onLine !== false
}
