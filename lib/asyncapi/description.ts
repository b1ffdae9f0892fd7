import type { PreparedContract } from '../contract/prepared.js'
import type { Handlers } from '../protocol/handlers.js'
import type { Outbound } from '../protocol/outbound.js'
import { asyncApi, serversOf, type AsyncApiDocument } from './document.js'
import type { AsyncApiInput } from './input.js'
import { expressed } from './component-schemas.js'

/** The app's declarations, and what is fixed at the start. */
export interface DescribedParts extends Pick<AsyncApiInput, 'info' | 'path' | 'credentials'> {
  handlers: Pick<Handlers, 'entries'>
  outbound: Pick<Outbound, 'schemas'>
  /** null: the app has no contract. */
  contract: Pick<PreparedContract, 'kinds' | 'types'> | null
}

/** The AsyncAPI document of an app, made again only after what the app declares has changed. */
export class Description {
  readonly #parts: DescribedParts
  #made: { of: readonly unknown[], json: string } | null = null

  constructor (parts: DescribedParts) {
    this.#parts = parts
  }

  /** Returns the document. @param origin of the HTTP server as the reader sees it; null: unknown, so the document names no server */
  document (origin: string | null): AsyncApiDocument {
    return JSON.parse(this.json(origin))
  }

  /** Returns the document as JSON. */
  json (origin: string | null): string {
    const { handlers: { entries }, outbound: { schemas } } = this.#parts
    const declared = [...entries, ...[...schemas].flat()]
    if (this.#made === null || !isSame(this.#made.of, declared)) this.#made = { of: declared, json: JSON.stringify(asyncApi(this.#input())) }
    const { json } = this.#made
    if (origin === null || !URL.canParse(origin)) return json
    return `${json.slice(0, -1)},"servers":${JSON.stringify(serversOf(origin, this.#parts.credentials))}}`
  }

  /** Collects what the document is made of. Questions and channels come from the contract of the app. */
  #input (): AsyncApiInput {
    const { info, path, credentials, handlers, outbound, contract } = this.#parts
    return {
      info,
      path,
      credentials,
      isClosed: contract !== null,
      calls: handlers.entries.map(({ type, schema, reply, channel, isRest }) => ({ type, schema: expressed(schema), reply: expressed(reply), channel, isRest })),
      messages: [...outbound.schemas].map(([type, schema]) => ({ type, schema: expressed(schema) })),
      confirmations: Object.fromEntries(Array.from(contract?.kinds ?? [], ([kind, { dataSchema: data, answer }]) =>
        [kind, { ...data !== undefined && { data: expressed(data) }, ...answer !== null && { answer: answer.schema } }])),
      channels: Object.fromEntries(Object.entries(contract?.types ?? {}).map(([pattern, messages]) => [pattern, { messages }]))
    }
  }
}

function isSame (before: readonly unknown[], now: readonly unknown[]): boolean {
  return before.length === now.length && before.every((part, index) => part === now[index])
}
