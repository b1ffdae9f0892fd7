/** The part of a WebSocket that is used. */
export interface Socket {
  readonly protocol: string
  onopen: unknown
  onmessage: ((event: { data: unknown }) => void) | null
  onclose: ((event: { code: number, reason: string }) => void) | null
  onerror: unknown
  send (data: string): void
  close (code?: number, reason?: string): void
}
export type OpenSocket = (url: string, protocols: string[]) => Socket

/** A frame of the protocol, of either direction. */
export interface Frame { type: string, id?: string | number, [field: string]: any }
