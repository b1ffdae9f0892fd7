import type { TSchema } from '@sinclair/typebox'
import { TypeCompiler, type TypeCheck } from '@sinclair/typebox/compiler'
import { InvalidArgumentError, InvalidMessageError, withDetails } from './errors.js'
import { signatures, type MethodName, type Signature } from './signatures.js'

interface Fault { path: string, message: string }
interface CheckedParameter { name: string, isOptional: boolean, check: TypeCheck<TSchema> }

const parametersOf = new Map(Object.entries<Signature>(signatures).map(([method, { parameters }]) => [method,
  Object.entries(parameters).map(([name, schema]): CheckedParameter => ({
    name: name.replace('?', ''), isOptional: name.endsWith('?'), check: TypeCompiler.Compile(schema)
  }))]))

/**
 * Calls a public method: its arguments are checked before, and what is found to be invalid only later on is the app's own fault, too.
 * A method that answers later rejects, all others throw.
 *
 * @throws WSM_ERR_INVALID_ARGUMENT that names the method and the argument, and what the method throws
 */
export function call<R> (method: MethodName, args: readonly unknown[], run: () => R): R {
  const signature: Signature = signatures[method]
  try {
    assertArguments(method, args)
    const result = run()
    return result instanceof Promise ? result.catch((error: unknown) => { throw blamed(method, signature, error) }) as R : result
  } catch (error) {
    const fault = blamed(method, signature, error)
    if (signature.isSync === true && (args.at(-1) as { cluster?: unknown } | undefined)?.cluster !== true) throw fault
    return Promise.reject(fault) as R
  }
}

/** The methods of a part, to be called by the app. */
export function callable<T extends object, N extends keyof T & string> (path: string, part: T, names: readonly N[]): Pick<T, N> {
  return Object.fromEntries(names.map((name) => {
    const method = `${path}.${name}` as MethodName
    return [name, (...args: unknown[]) => call(method, args, () => (part[name] as (...args: unknown[]) => unknown)(...args))]
  })) as Pick<T, N>
}

function assertArguments (method: MethodName, args: readonly unknown[]): void {
  for (const [index, { name, isOptional, check }] of parametersOf.get(method)!.entries()) {
    if ((isOptional && args[index] === undefined) || check.Check(args[index])) continue
    throw argumentFault(method, name, faultsIn(check, args[index]))
  }
}

/** Of alternatives the faults within the object that was given say more than that none of them fits. */
function faultsIn (check: TypeCheck<TSchema>, value: unknown): Fault[] {
  const first = check.Errors(value).First()!
  const inside = first.errors.map((errors) => errors.First()).find((error) => error !== undefined && error.path !== '')
  if (inside !== undefined) return [{ path: inside.path, message: inside.message }]
  const { path, message, schema: { description } } = first
  return [{ path, message: description === undefined ? message : `${message} (${description})` }]
}

/** An invalid message is the app's own fault where the app gave it. */
function blamed (method: MethodName, { isForPerson }: Signature, error: unknown): unknown {
  if (isForPerson === true || !(error instanceof InvalidMessageError)) return error
  const { details } = error as { details?: Fault[] }
  const names = parametersOf.get(method)!.map(({ name }) => name)
  const subject = names.includes('message') ? 'message' : names[0]!
  return details === undefined ? new InvalidArgumentError(method, error.message, { cause: error }) : argumentFault(method, subject, details)
}

function argumentFault (method: string, name: string, faults: readonly Fault[]): Error {
  const { path, message } = faults[0]!
  return withDetails(new InvalidArgumentError(method, `${name}${path.replaceAll('/', '.')}: ${message}`), faults)
}
