import t from 'tap'
import { AppError, errorCodes, errors } from '../lib/index.js'
import { isOurs, toClientError, toWire, withDetails } from '../lib/wire-error.js'

type Thrown = new (...args: unknown[]) => Error & { code: string, statusCode: number }

const kinds = Object.entries(errors).filter(([name]) => name.endsWith('Error') && /^[A-Z]/.test(name))
  .map(([name, kind]) => ({ name, Thrown: kind as unknown as Thrown }))
const catalogue = kinds.map(({ name, Thrown }) => ({ name, error: new Thrown('one', 'two') }))

t.test('the exported errors are kinds of errors and nothing else', (t) => {
  t.same(Object.entries(errors).filter(([name, kind]) => !name.endsWith('Error') || !(kind.prototype instanceof Error)), [])
  t.end()
})

t.test('every error of the catalogue has its own code and status', async (t) => {
  t.ok(catalogue.length > errorCodes.length)
  const codes = catalogue.map(({ error }) => error.code)
  t.equal(new Set(codes).size, codes.length)
  for (const { name, error } of catalogue) {
    t.match(error, { code: /^WSM_ERR_[A-Z_]+$/, message: /\S/ }, name)
    t.ok(error.statusCode >= 400 && error.statusCode < 600, name)
    t.notMatch(error.message, /%/, 'nothing is left to fill in')
  }
})

t.test('every error of the catalogue has a default text, with or without a cause', async (t) => {
  const cause = new Error('why')
  for (const { name, Thrown } of kinds) {
    const bare = new Thrown()
    for (const error of [bare, new Thrown(undefined), new Thrown({ cause })]) {
      t.match(error.message, /^[A-Z][^%]+[^%:]$/i, name)
      t.equal(error.message, bare.message)
      t.ok(error instanceof Thrown && error instanceof Error, name)
    }
    t.equal(new Thrown({ cause }).cause, cause)
    t.match(bare, { code: /^WSM_ERR_/, statusCode: Number, name: 'FastifyError' })
  }
  class Members extends errors.ForbiddenError {}
  t.match(new Members(), { code: 'WSM_ERR_FORBIDDEN', constructor: Members })
  t.equal(Reflect.construct(errors.ForbiddenError, ['100 %s', { cause }]).message, '100 %s')
  t.match(toWire(new errors.ForbiddenError()), { code: 'forbidden', message: 'This is not allowed' })
  t.match(new errors.ForbiddenError(), { stack: /errors\.test/ })
  t.equal(new errors.RateLimitedError().stack, undefined, 'what clients cause at any rate has no stack')
})

t.test('every wire code has its error, which is sent unchanged', async (t) => {
  for (const code of errorCodes) {
    const { error } = catalogue.find(({ error }) => error.code === `WSM_ERR_${code.toUpperCase()}`)!
    const { message, statusCode } = error
    t.same(toWire(error), { code, message, statusCode, details: undefined, retryAfterS: undefined, isAppError: false })
    t.match(toClientError(error), { code: error.code, message, statusCode, name: 'FastifyError' })
  }
})

t.test('any other thrown value is sent as internal, without its contents', async (t) => {
  const forDevelopers = catalogue.map(({ error }) => error).filter(({ code }) => !errorCodes.some((wire) => code === `WSM_ERR_${wire.toUpperCase()}`))
  const others = [
    new Error('secret'), 'secret', undefined, null, 5, { code: 'WSM_ERR_FORBIDDEN', message: 'secret', details: 'secret' },
    Object.assign(new Error('secret'), { code: 'E_SECRET', details: 'secret' }), Object.assign(new Error('secret'), { code: 403 }),
    Object.assign(new errors.InvalidArgumentError('ws.join', 'secret'), { details: 'secret' })
  ]
  t.ok(forDevelopers.length > 3)
  for (const thrown of [...forDevelopers, ...others]) {
    t.same(toWire(thrown), { code: 'internal', message: 'The server could not process this', statusCode: 500, details: undefined, retryAfterS: undefined, isAppError: false })
    t.match(toClientError(thrown), { code: 'WSM_ERR_INTERNAL', statusCode: 500 })
  }
})

t.test('details of an error are sent', async (t) => {
  const error = withDetails(new errors.ForbiddenError('no'), { channel: 'a' })
  t.match(toWire(error), { code: 'forbidden', message: 'no', details: { channel: 'a' } })
  t.equal(isOurs(error), true)
  t.equal(isOurs(new Error('no')), false)
  t.ok(error instanceof errors.ForbiddenError)
})

t.test('details that JSON cannot hold are dropped, and those sent are a copy', async (t) => {
  const circular: Record<string, unknown> = {}
  circular.self = circular
  const throwing = { toJSON: () => { throw new Error('secret') } }
  for (const details of [1n, circular, throwing, { deep: [throwing] }]) {
    const error = withDetails(new errors.ForbiddenError('no'), details)
    t.same(toWire(error), { code: 'forbidden', message: 'no', statusCode: 403, details: undefined, retryAfterS: undefined, isAppError: false })
  }
  const details = { list: [1] }
  const told = toWire(withDetails(new errors.ForbiddenError('no'), details))
  details.list.push(2)
  t.same(told.details, { list: [1] })
})

t.test('an unreadable thrown value is sent as internal', async (t) => {
  const fail = () => { throw new Error('secret') }
  const unreadable = new Proxy(new errors.ForbiddenError('no'), { get: fail, getPrototypeOf: fail, has: fail, ownKeys: fail })
  t.equal(toWire(unreadable).code, 'internal')
  t.equal(isOurs(unreadable), false)
  for (const property of ['code', 'message', 'statusCode', 'retryAfterS']) {
    t.equal(toWire(Object.defineProperty(new errors.ForbiddenError('no'), property, { get: fail })).code, 'internal', property)
  }
})

t.test('an invalid status or retry time is not sent', async (t) => {
  for (const statusCode of [200, 99, 600, 403.5, '403', 1n]) {
    t.match(toWire(Object.assign(new errors.ForbiddenError('no'), { statusCode })), { code: 'forbidden', statusCode: 500 })
  }
  t.equal(toWire(Object.assign(new errors.RateLimitedError('slower'), { retryAfterS: 3 })).retryAfterS, 3)
  t.equal(toWire(Object.assign(new errors.RateLimitedError('slower'), { retryAfterS: '3' })).retryAfterS, undefined)
})

t.test('an error of the app is sent unchanged, whatever created it', (t) => {
  const own = (code: string, message: string, statusCode: number, details?: unknown) => ({ code, message, statusCode, details, retryAfterS: undefined, isAppError: true })
  const cases: Array<[thrown: unknown, told: object]> = [
    [new AppError('NO_CREDIT', 'You have no credit left'), own('NO_CREDIT', 'You have no credit left', 400)],
    [new AppError('NO_CREDIT', 'None left', { statusCode: 402, details: { left: 0 } }), own('NO_CREDIT', 'None left', 402, { left: 0 })],
    [{ statusCode: 402, code: 'NO_CREDIT' }, own('NO_CREDIT', 'Payment Required', 402)],
    [{ statusCode: 499, code: 'app.x:y-1', message: 5 }, own('app.x:y-1', 'Error', 499)],
    [Object.assign(new Error('Not here'), { statusCode: 404, details: 1n }), own('HTTP_404', 'Not here', 404)],
    [Object.assign(new Error(), { statusCode: 404, code: 'GONE' }), own('GONE', 'Not Found', 404)]
  ]
  for (const [thrown, told] of cases) {
    t.strictSame(toWire(thrown), told)
    t.match(toClientError(thrown), { ...told, isAppError: true })
  }
  t.end()
})

t.test('an app\'s error that claims a protocol code, or a status that is not the caller\'s, is internal', (t) => {
  const claims = [...errorCodes.map((code) => ({ code, statusCode: 400 })), { code: 'WSM_ERR_OWN', statusCode: 400 }, { code: 'WSM_ERR_', statusCode: 400 },
    { code: '', statusCode: 400 }, { code: 'x'.repeat(65), statusCode: 400 }, { code: 'two words', statusCode: 400 }, { code: 5, statusCode: 400 }, { code: null, statusCode: 400 },
    ...[399, 200, 500, 503, 400.5, '404', undefined].map((statusCode) => ({ code: 'NO_CREDIT', statusCode }))]
  for (const claim of claims) {
    t.equal(toWire(claim).code, 'internal', JSON.stringify(claim))
    t.equal(toWire(Object.assign(new Error('secret'), claim)).code, 'internal')
    t.throws(() => new AppError(claim.code as string, 'x', { statusCode: claim.statusCode as number | undefined ?? 500 }), { code: 'WSM_ERR_INVALID_ARGUMENT', message: /^AppError\(\): / })
  }
  const cause = new Error('why')
  t.match(new AppError('NO_CREDIT', 'None', { cause }), { name: 'AppError', cause, statusCode: 400, details: undefined })
  t.end()
})

t.test('an AppError without a message, or with unknown options, is refused by name', (t) => {
  const bad: Array<[args: unknown[], says: string]> = [
    [[], 'code must be'], [['X'], 'message: Expected string (what the caller reads)'], [['X', ''], 'message: Expected string length'], [['X', 5], 'message: Expected string'],
    [['X', 'y', null], 'options: Expected object'], [['X', 'y', { status: 402 }], 'options.status: Unexpected property'], [['X', 'y', { statuscode: 402 }], 'options.statuscode: Unexpected property, did you mean "statusCode"?'],
    [['X', 'y', new Map()], 'options: Expected a plain object'], [['X', 'y', new Error('z')], 'options'], [['X', 'y', { statusCode: NaN }], 'options.statusCode must be from 400 to 499']
  ]
  for (const [args, says] of bad) {
    t.throws(() => Reflect.construct(AppError, args), { code: 'WSM_ERR_INVALID_ARGUMENT', message: `AppError(): ${says}` }, says)
  }
  t.end()
})

t.test('the error of a bad contract, which needs no module, is like all others', (t) => {
  const { InvalidContractError, InvalidOptionError } = errors
  const [error, other] = [new InvalidContractError('calls["a.b"]', 'why'), new InvalidOptionError('a', 'why')]
  t.match(error, { code: 'WSM_ERR_INVALID_CONTRACT', statusCode: 500, name: 'FastifyError', message: 'The contract is not valid: calls["a.b"]: why' })
  t.equal(String(error), 'FastifyError [WSM_ERR_INVALID_CONTRACT]: The contract is not valid: calls["a.b"]: why')
  t.equal(String(other).replace(other.message, ''), 'FastifyError [WSM_ERR_INVALID_OPTION]: ')
  t.ok(Object.assign(new Error('of another copy'), { code: error.code }) instanceof InvalidContractError)
  for (const value of [other, { code: error.code }, null]) t.notOk(value instanceof InvalidContractError)
  t.end()
})
