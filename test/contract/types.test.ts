import { join } from 'node:path'
import t from 'tap'
import type ts from 'typescript'
import { faultsOf, programOf } from '../fixtures/compiler.js'
import { root } from '../fixtures/root.js'

t.test('an app with a contract is typed by it, and every wrong use is an error', (t) => {
  const program = programOf([join(root, 'test/contract/typed/app.ts')], new Map())
  const faults = faultsOf(program).map(({ file, number, message }) => `${file}:${number}: ${message}`)
  t.strictSame(faults, [])
  t.end()
})

t.test('a contract of 200 messages and 200 calls costs the compiler little', (t) => {
  const numbers = Array.from({ length: 200 }, (_, number) => number)
  const file = join(root, 'test/contract/typed/large.ts')
  const text = `
    import { Type } from '@sinclair/typebox'
    import type { FastifyInstance } from 'fastify'
    import 'fastify-ws-manager'
    import { defineContract } from 'fastify-ws-manager/contract'
    const contract = defineContract({
      messages: { ${numbers.map((number) => `'app.message${number}': Type.Object({ text: Type.String(), number: Type.Optional(Type.Literal(${number})) })`).join()} },
      calls: { ${numbers.map((number) => `'app.call${number}': { data: Type.Object({ text${number}: Type.String() }), reply: Type.Object({ at: Type.Literal(${number}) }) }`).join()} }
    })
    declare module 'fastify-ws-manager' { interface Register { contract: typeof contract } }
    export function serve ({ ws }: FastifyInstance): void {
      ${numbers.map((number) => `ws.handle('app.call${number}', async ({ text${number}: text }) => {
        await ws.broadcast({ type: 'app.message${number}', text })
        return { at: ${number} }
      })`).join('\n')}
    }`
  // Counts, unlike times, are the same on every machine.
  const program = programOf([file], new Map([[file, text]])) as ts.Program & { getInstantiationCount: () => number }
  const startedAt = performance.now()
  t.strictSame(faultsOf(program).map(({ message }) => message), [])
  t.comment(`${program.getInstantiationCount()} instantiations, ${Math.round(performance.now() - startedAt)} ms`)
  t.ok(program.getInstantiationCount() < 250_000, `${program.getInstantiationCount()} instantiations`)
  t.end()
})
