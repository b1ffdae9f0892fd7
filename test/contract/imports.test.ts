import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t from 'tap'
import ts from 'typescript'
import { root } from '../fixtures/root.js'

/** Lists what a built file imports, and what those files import. */
async function importsOf (path: string, found = new Set<string>()): Promise<Set<string>> {
  for (const { fileName } of ts.preProcessFile(await readFile(path, 'utf8')).importedFiles) {
    if (found.has(fileName)) continue
    found.add(fileName)
    if (fileName.startsWith('.')) await importsOf(join(dirname(path), fileName), found)
  }
  return found
}

t.test('a browser can import the contract: it needs no package and no module of Node', async (t) => {
  const isOfPackage = (name: string) => !name.startsWith('.')
  t.strictSame([...await importsOf(join(root, 'dist/lib/contract/contract.js'))].filter(isOfPackage), [])
  t.ok([...await importsOf(join(root, 'dist/lib/errors.js'))].some(isOfPackage), 'they are found')
})
