import { Type } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { assertArgument } from '../validation/call.js'
import { InvalidArgumentError } from '../errors.js'
import { isAppCode, isAppStatus } from '../wire-error.js'

/** Options of an `AppError`, beside its code and message. */
export interface AppErrorOptions extends ErrorOptions {
  /** The status of the REST answer, 400 to 499; default 400. */
  statusCode?: number | undefined
  /** Further data for the caller: anything that JSON can hold; default: none. */
  details?: unknown
}

const checkMessage = TypeCompiler.Compile(Type.String({ minLength: 1, description: 'what the caller reads' }))
const checkOptions = TypeCompiler.Compile(Type.Object({
  statusCode: Type.Optional(Type.Unknown()), details: Type.Optional(Type.Unknown()), cause: Type.Optional(Type.Unknown())
}, { additionalProperties: false }))

/**
 * An error of the app's own. Thrown in a handler of `ws.handle()` or in an `authorize…` hook, it reaches the caller with its code, message and
 * details, marked `app: true`, by socket and by REST. Any other error with a `statusCode` below 500 and a `code` is treated the same.
 */
export class AppError extends Error {
  readonly code: string
  readonly statusCode: number
  readonly details: unknown

  /**
   * @param code up to 64 letters, digits and `_`, `.`, `:`, `-`; none of the protocol's codes, nor one that begins with `WSM_ERR_`
   * @param message text for the caller
   * @throws WSM_ERR_INVALID_ARGUMENT
   */
  constructor (code: string, message: string, options: AppErrorOptions = {}) {
    if (!isAppCode(code)) throw new InvalidArgumentError('AppError', 'code must be 1 to 64 letters, digits and "_.:-", none of the protocol\'s codes, and not begin with WSM_ERR_')
    assertArgument('AppError', 'message', checkMessage, message)
    assertArgument('AppError', 'options', checkOptions, options)
    const { statusCode = 400, details, ...rest } = options
    if (!isAppStatus(statusCode)) throw new InvalidArgumentError('AppError', 'options.statusCode must be from 400 to 499')
    super(message, rest)
    this.name = 'AppError'
    this.code = code
    this.statusCode = statusCode
    this.details = details
  }
}
