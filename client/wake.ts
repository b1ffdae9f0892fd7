/** What a browser says about its network and its page. Outside of browsers none of it happens. */
export interface WakeEvents {
  /** The network is gone. */
  offline: () => void
  /** The network is back, or the page is seen again after it was hidden or frozen. */
  awake: () => void
}

/** Listens until the returned function is called. */
export function listenToPage ({ offline, awake }: WakeEvents): () => void {
  if (typeof window === 'undefined' || typeof window.addEventListener !== 'function') return () => {}
  const visible = () => { if (document.visibilityState === 'visible') awake() }
  window.addEventListener('offline', offline)
  window.addEventListener('online', awake)
  window.addEventListener('pageshow', awake)
  document.addEventListener('visibilitychange', visible)
  return () => {
    window.removeEventListener('offline', offline)
    window.removeEventListener('online', awake)
    window.removeEventListener('pageshow', awake)
    document.removeEventListener('visibilitychange', visible)
  }
}

/** False only where the browser is sure that there is no network. */
export function mayBeOnline (): boolean {
  return typeof navigator === 'undefined' || navigator.onLine !== false
}
