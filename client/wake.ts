/** What a browser says about its network and its page. Outside of browsers none of it happens. */
export interface WakeEvents {
  /** The network is gone. */
  offline: () => void
  /** The network is back, or the page is seen again after it was hidden or frozen. */
  awake: () => void
}

/** Listens until the signal fires. */
export function listenToPage ({ offline, awake }: WakeEvents, signal: AbortSignal): void {
  if (typeof document === 'undefined') return
  window.addEventListener('offline', offline, { signal })
  for (const event of ['online', 'pageshow']) window.addEventListener(event, awake, { signal })
  document.addEventListener('visibilitychange', () => { if (document.visibilityState === 'visible') awake() }, { signal })
}

/** False only where the browser is sure that there is no network. */
export function mayBeOnline (): boolean {
  return typeof navigator === 'undefined' || navigator.onLine !== false
}
