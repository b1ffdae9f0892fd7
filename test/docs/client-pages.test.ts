import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import ts from 'typescript'
import { english } from '../../client/elements/texts.js'
import { appOptions, faultsOf, programOf } from '../fixtures/compiler.js'
import { root } from '../fixtures/root.js'

const react = await readFile(join(root, 'docs/client-react.md'), 'utf8')
const client = await readFile(join(root, 'docs/client.md'), 'utf8')
const elements = await readFile(join(root, 'docs/client-elements.md'), 'utf8')
const readme = await readFile(join(root, 'README.md'), 'utf8')

t.test('the example for React compiles with the contract of the README, and is typed by it', (t) => {
  const options: ts.CompilerOptions = {
    ...appOptions,
    jsx: ts.JsxEmit.ReactJSX,
    lib: ['lib.es2023.d.ts', 'lib.dom.d.ts'],
    paths: {
      ...appOptions.paths,
      'fastify-ws-manager/client': [join(root, 'dist/client/index.d.ts')],
      'fastify-ws-manager/client/react': [join(root, 'dist/client/react/index.d.ts')]
    }
  }
  const folder = join(root, 'test/docs')
  const blocks = [...react.matchAll(/^```tsx\n\/\/ (\S+)\n(.*?)^```/gms)].map(([, name, text]) => [join(folder, name!), text!] as const)
  const contract = /^```ts\n\/\/ contract\.ts\n(.*?)^```/ms.exec(readme)![1]!
  const texts = new Map([...blocks, [join(folder, 'contract.ts'), contract]])
  t.strictSame([...texts.keys()].map((name) => name.slice(folder.length + 1)), ['hooks.ts', 'app.tsx', 'contract.ts'])
  const faults = (changed: ReadonlyMap<string, string>) => faultsOf(programOf([...changed.keys()], changed, options)).map(({ line, message }) => `${line}: ${message}`)
  t.strictSame(faults(texts), [])
  const wrong = new Map([...texts].map(([name, text]) => [name, text.replace("gpu: 'gpu-2'", 'cpu: 1')]))
  t.match(faults(wrong), [/cpu/])
  t.end()
})

t.test('the example for the client compiles with the contract of the README, and is typed by it', (t) => {
  const options: ts.CompilerOptions = {
    ...appOptions,
    lib: ['lib.es2023.d.ts', 'lib.dom.d.ts'],
    paths: {
      ...appOptions.paths,
      'fastify-ws-manager/client': [join(root, 'dist/client/index.d.ts')],
      'fastify-ws-manager/client/tabs': [join(root, 'dist/client/tabs/index.d.ts')]
    }
  }
  const folder = join(root, 'test/docs')
  const page = /^```ts\n\/\/ page\.ts\n(.*?)^```/ms.exec(client)![1]!
  const contract = /^```ts\n\/\/ contract\.ts\n(.*?)^```/ms.exec(readme)![1]!
  const faults = (page: string) => {
    const texts = new Map([[join(folder, 'page.ts'), page], [join(folder, 'contract.ts'), contract]])
    return faultsOf(programOf([...texts.keys()], texts, options)).map(({ line, message }) => `${line}: ${message}`)
  }
  t.strictSame(faults(page), [])
  t.match(faults(page.replace("{ text: 'Hello' }", '{ txt: 1 }')), [/txt/])
  t.match(faults(page.replace("'chat.message'", "'chat.massage'")), [/chat\.massage/])
  t.end()
})

t.test('the page about the client names each status, each code of the client and each option', async (t) => {
  const errors = await readFile(join(root, 'client/errors.ts'), 'utf8')
  const status = await readFile(join(root, 'client/status.ts'), 'utf8')
  const codes = [.../and these of the client: (.*?)\.\n/s.exec(errors)![1]!.matchAll(/`(\w+)`/g)].map(([, name]) => name!)
  const statuses = [.../export type Status = (.*)/.exec(status)![1]!.matchAll(/'([\w-]+)'/g)].map(([, name]) => name!)
  t.ok(codes.length >= 8 && statuses.length === 7)
  for (const name of [...codes, ...statuses, 'getToken', 'storage', 'tabs', 'autoConnect', 'timeoutMs', 'signal', 'offline', 'repeat']) t.ok(client.includes(`\`${name}`) || client.includes(`${name}: `), name)
})

t.test('the page about elements names each part and each custom property of their style, and no other', async (t) => {
  const sources = await Promise.all(['answer-form', 'controls', 'question-card', 'ws-confirmations', 'ws-task', 'ws-fragment', 'style'].map((name) => (
    readFile(join(root, `client/elements/${name}.ts`), 'utf8'))))
  const inSource = (pattern: RegExp) => new Set(sources.flatMap((text) => [...text.matchAll(pattern)]).map(([, name]) => name!).flatMap((names) => names.split(' ')).filter((name) => !name.startsWith('$')).sort())
  const section = elements.slice(elements.indexOf('## Appearance'))
  t.strictSame(new Set([...section.matchAll(/`(--ws-[\w-]+)`/g)].map(([, name]) => name).sort()), inSource(/var\((--ws-[\w-]+)/g))
  const parts = [...section.matchAll(/^- [\s\S]*?(?=\n- |\n\n)/gm)].flatMap(([list]) => [...list.matchAll(/`([\w-]+)`/g)]).map(([, name]) => name).sort()
  t.strictSame(new Set(parts), inSource(/part(?:: |', )[`']([^'`]+)[`']/g))
  t.end()
})

t.test('the texts that its example replaces exist', (t) => {
  const names = [.../texts: \{ (.*) \} \}\)/.exec(elements)![1]!.matchAll(/(\w+): (?:'|\{|\()/g)].map(([, name]) => name!)
  t.strictSame(names, ['answer', 'decline', 'faults', 'required'])
  for (const name of names) t.ok(name in english || name in english.faults, name)
  t.end()
})
