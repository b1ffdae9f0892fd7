import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../fixtures/root.js'

const text = await readFile(join(root, 'docs/ARCHITECTURE.md'), 'utf8')
/** Files and folders: paths in backticks. */
const pathsIn = (part: string): string[] => [...part.matchAll(/`((?:lib|routes|schemas)\/[\w./-]*)`/g)].map(([, path]) => path!)

t.test('every path that ARCHITECTURE.md names exists', async (t) => {
  const paths = pathsIn(text)
  t.ok(paths.length > 40)
  for (const path of paths) await t.resolves(access(join(root, path)), path)
})

t.test('a way through the code names each file once', async (t) => {
  const ways = text.split('\n### ').slice(1)
  t.equal(ways.length, 3)
  for (const way of ways) {
    const paths = pathsIn(way)
    t.strictSame(paths, [...new Set(paths)], way.slice(0, way.indexOf('\n')))
  }
})

t.test('ARCHITECTURE.md has the layers in the order that is checked', async (t) => {
  const { layers } = await import(join(root, '.dependency-cruiser.mjs')) as { layers: [name: string, pattern: string][] }
  const rows = [...text.matchAll(/^\| `([^`]+)` \|/gm)].map(([, path]) => path!.replace('lib/*.ts', 'lib/user.ts'))
  t.strictSame(rows.map((path) => layers.find(([, pattern]) => new RegExp(pattern).test(path))?.[0]), layers.map(([name]) => name))
})
