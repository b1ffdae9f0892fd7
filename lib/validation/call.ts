import type { TSchema } from '@sinclair/typebox'
import { TypeCompiler, type TypeCheck } from '@sinclair/typebox/compiler'
import type { FastifyBaseLogger } from 'fastify'
import { InvalidArgumentError, InvalidMessageError, UnavailableError } from '../errors.js'
import { withDetails } from '../wire-error.js'
import { logThrown } from '../thrown.js'
import type { Fault } from './part.js'
import { placeOf, reasonAgainst } from './reason.js'

/** Parameters and kind of a public method. */
export interface Signature {
  /** Parameters in order; a name ending with `?` is optional. */
  parameters: { readonly [name: string]: TSchema }
  /** True for a synchronous method, which throws. With the option `cluster` it is asynchronous all the same. */
  isSync?: true
  /** Parameter to blame if an inner part refuses a value; by default `message`, or the first. */
  subject?: string
  /** True if a value that an inner part refuses comes from a person, not from the app. */
  isForPerson?: true
}

interface CheckedParameter { name: string, isOptional: boolean, check: TypeCheck<TSchema> }

/** A public method with its compiled parameters. */
export interface Method {
  /** Full name: `ws.broadcast`. */
  name: string
  signature: Signature
  parameters: readonly CheckedParameter[]
}

/** Compiles the signatures of public methods, by their names in errors. */
export function defineMethods<N extends string> (signatures: Readonly<Record<N, Signature>>): Readonly<Record<N, Method>> {
  return Object.fromEntries(Object.entries<Signature>(signatures).map(([name, signature]) => [name, {
    name,
    signature,
    parameters: Object.entries(signature.parameters).map(([parameter, schema]): CheckedParameter => ({
      name: parameter.replace('?', ''), isOptional: parameter.endsWith('?'), check: TypeCompiler.Compile(schema)
    }))
  }])) as unknown as Record<N, Method>
}

/** The part that the method belongs to; its log is read on use. */
export interface Owner {
  readonly log: FastifyBaseLogger
  /** Returns true once the server has closed and asynchronous methods can no longer work; by default it has not. */
  readonly hasClosed?: () => boolean
}

/**
 * Calls a public method. Its arguments are checked first, and a value refused later is the app's fault, too. Asynchronous methods
 * reject, all others throw. An unawaited rejection is logged and does not end the process.
 *
 * @throws WSM_ERR_INVALID_ARGUMENT that names the method and the argument, WSM_ERR_UNAVAILABLE after the close, and the errors of
 *   the method
 */
export function call<R> (owner: Owner, method: Method, args: readonly unknown[], run: () => R): R {
  const isLater = method.signature.isSync !== true || isOfAllNodes(args.at(-1))
  const fail = (error: unknown) => { throw blamed(method, error) }
  try {
    assertArguments(method, args)
    if (isLater && owner.hasClosed?.() === true) throw new UnavailableError('The server has closed')
    const result = run()
    return result instanceof Promise ? heard(owner, method, result.catch(fail)) as R : result
  } catch (error) {
    const fault = blamed(method, error)
    if (!isLater) throw fault
    return heard(owner, method, Promise.reject(fault)) as R
  }
}

/** Returns true if the options ask for all nodes; unreadable options do not. */
function isOfAllNodes (options: unknown): boolean {
  try {
    return (options as { cluster?: unknown } | undefined)?.cluster === true
  } catch {
    return false
  }
}

/** Wraps the methods of a part for calls by the app. */
export function callable<T extends object, N extends keyof T & string> (owner: Owner, methods: Readonly<Record<N, Method>>, part: T): Pick<T, N> {
  return Object.fromEntries(Object.entries<Method>(methods).map(([name, method]) =>
    [name, (...args: unknown[]) => call(owner, method, args, () => (part[name as N] as (...args: unknown[]) => unknown)(...args))]
  )) as Pick<T, N>
}

/** A promise that records whether it is listened to. `await` calls `then` here, since this is not a plain Promise. */
class HeardPromise<T> extends Promise<T> {
  isHeard = false

  static override get [Symbol.species] () {
    return Promise
  }

  override then<A = T, B = never> (onFulfilled?: ((value: T) => A | PromiseLike<A>) | null, onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<A | B> {
    this.isHeard = true
    return super.then(onFulfilled, onRejected)
  }
}

/** Wraps the result for the app, which may ignore it: an unawaited failure is only logged. */
function heard<T> (owner: Owner, { name: method }: Method, result: Promise<T>): Promise<T> {
  const promise = new HeardPromise<T>((resolve, reject) => result.then(resolve, (error: unknown) => {
    reject(error)
    // By then every caller that listens synchronously has done so.
    setImmediate(() => {
      if (!promise.isHeard) logThrown(owner.log, 'error', error, { method }, 'a call failed, and its result is not awaited')
    })
  }))
  // Marks the rejection as handled, without listening.
  Promise.prototype.then.call(promise, undefined, () => {})
  return promise
}

function assertArguments ({ name: method, parameters }: Method, args: readonly unknown[]): void {
  for (const [index, { name, isOptional, check }] of parameters.entries()) {
    if (!isOptional || args[index] !== undefined) assertArgument(method, name, check, args[index])
  }
}

/** @throws WSM_ERR_INVALID_ARGUMENT that names the method and the argument */
export function assertArgument (method: string, name: string, check: TypeCheck<TSchema>, value: unknown): void {
  const reason = reasonAgainst(check, value)
  if (reason === null) return
  const { path, message, schema } = reason
  const description = path === '' ? schema?.description : undefined
  throw argumentFault(method, name, [{ path, message: description === undefined ? message : `${message} (${description})` }])
}

/** Blames the app for an invalid message that it passed. */
function blamed ({ name: method, signature: { isForPerson, subject: declared }, parameters }: Method, error: unknown): unknown {
  if (isForPerson === true || !(error instanceof InvalidMessageError)) return error
  const { details } = error as { details?: Fault[] }
  const names = parameters.map(({ name }) => name)
  const subject = declared ?? (names.includes('message') ? 'message' : names[0]!)
  return details === undefined ? new InvalidArgumentError(method, `${subject}: ${error.message}`, { cause: error }) : argumentFault(method, subject, details)
}

function argumentFault (method: string, name: string, faults: readonly Fault[]): Error {
  const { path, message } = faults[0]!
  return withDetails(new InvalidArgumentError(method, `${name}${placeOf(path)}: ${message}`), faults)
}
