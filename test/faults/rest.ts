import type { Frame } from '../fixtures/client.js'
import { forge } from '../fixtures/tokens.js'

export interface Answered { status: number, body: Frame }

export const ADMIN = forge({ sub: 'admin', roles: ['ws:admin'] })

/** A REST call to one node, with whatever it answers. */
export async function rest (origin: string, method: string, path: string, token: string, body?: object): Promise<Answered> {
  const response = await fetch(origin + path, {
    method,
    headers: { authorization: `Bearer ${token}`, ...body !== undefined && { 'content-type': 'application/json' } },
    body: body === undefined ? null : JSON.stringify(body)
  })
  return { status: response.status, body: await response.json() as Frame }
}
