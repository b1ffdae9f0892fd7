import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import ts from 'typescript'
import { clientFrames } from '../../schemas/frames/client.js'
import { serverFrames } from '../../schemas/frames/server.js'
import { root } from '../fixtures/root.js'

const { INTERNAL, entries } = await import(join(root, 'scripts/client-bundles.mjs')) as { INTERNAL: string[], entries: string[] }
const { MAX_BYTES, sizeOf } = await import(join(root, 'scripts/client-size.mjs')) as { MAX_BYTES: number, sizeOf: (module: string) => Promise<{ gzip: number }> }

/** The names of the members that a file of declarations has, of whatever type. */
function membersOf (text: string): string[] {
  const code = text.replaceAll(/\/\*.*?\*\//gs, '')
  return [...code.matchAll(/(?:^|[{;])\s*(?:(?:readonly|get|set) )*(\w+)\??\s*[(<:]/gm)].map(([, name]) => name!)
}

/** The names of the members of everything that modules export. */
function exportedMembers (files: string[]): Set<string> {
  const program = ts.createProgram(files, { skipLibCheck: true, moduleResolution: ts.ModuleResolutionKind.NodeNext, module: ts.ModuleKind.NodeNext })
  const checker = program.getTypeChecker()
  const exported = files.flatMap((file) => checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(file)!)!))
  return new Set(exported.flatMap((symbol) => {
    const its = (symbol.flags & ts.SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol)
    return [checker.getDeclaredTypeOfSymbol(its), checker.getTypeOfSymbol(its)].flatMap((type) => type.getProperties().map(({ name }) => name))
  }))
}

t.test('a name that the bundles shorten is no name of the API, of the wire, of browsers or of the language', async (t) => {
  const standard = join(root, 'node_modules/typescript/lib')
  const libs = (await readdir(standard)).filter((name) => /^lib\..*\.d\.ts$/.test(name))
  const browsers = new Set((await Promise.all(libs.map((name) => readFile(join(standard, name), 'utf8')))).flatMap(membersOf))
  const api = exportedMembers(entries.map((name) => join(root, `dist/client/${name}.d.ts`)))
  const wire = JSON.stringify([clientFrames, serverFrames])
  t.ok(browsers.has('isConnected') && api.has('remainingMs') && api.has('autoConnect') && wire.includes('"callback_id":'), 'names are read')
  t.strictSame(INTERNAL.filter((name) => browsers.has(name)), [])
  t.strictSame(INTERNAL.filter((name) => api.has(name)), [])
  t.strictSame(INTERNAL.filter((name) => wire.includes(`"${name}":`)), [])
})

t.test('each of these names is one of the client', async (t) => {
  const folder = join(root, 'client')
  const code = (await Promise.all((await readdir(folder)).filter((name) => name.endsWith('.ts')).map((name) => readFile(join(folder, name), 'utf8')))).join('\n')
  t.strictSame(INTERNAL.filter((name) => !new RegExp(`\\b${name}\\b`).test(code)), [])
})

t.test('the client is as small as it promises to be', async (t) => {
  const { gzip } = await sizeOf('./dist/client/index.js')
  t.ok(gzip <= MAX_BYTES, `${gzip} of ${MAX_BYTES} bytes`)
})
