const CODE = 'WSM_ERR_INVALID_CONTRACT'

/** Bad contract: `place` is the entry at fault. It needs no module, since a page can define a contract too; otherwise it is like all errors of the catalogue. */
export class InvalidContractError extends Error {
  override readonly name: string = 'FastifyError'
  readonly code: string = CODE
  readonly statusCode: number = 500

  constructor (place?: string, reason?: string, options?: ErrorOptions)
  constructor (...args: unknown[]) {
    const options = typeof args.at(-1) === 'object' ? args.pop() as ErrorOptions : undefined
    const [place, reason] = args
    super(place === undefined ? 'The contract is not valid' : `The contract is not valid: ${String(place)}: ${String(reason)}`, options)
  }

  /** Compares codes, so it works across two copies of this package. */
  static override [Symbol.hasInstance] (value: unknown): boolean {
    return value instanceof Error && (value as { code?: unknown }).code === CODE
  }

  override toString (): string {
    return `${this.name} [${this.code}]: ${this.message}`
  }
}
