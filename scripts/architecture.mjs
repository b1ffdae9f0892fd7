/*
 * Draws docs/architecture.svg: the folders in the order of .dependency-cruiser.mjs, with the imports between them. Its source is
 * stored beside it as docs/architecture.dot; test/architecture.test.ts compares both with the code.
 */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import config, { layers } from '../.dependency-cruiser.mjs'

const root = fileURLToPath(new URL('../', import.meta.url))
const names = layers.map(([name]) => name)
/** Layers that every folder may use: arrows to them are left out. */
const FOUNDATIONS = ['ground floor', 'schemas']
const isFolder = (name) => !FOUNDATIONS.includes(name)

/**
 * Returns the drawing in DOT, the language of Graphviz. A box lists all folders that it imports; an arrow is drawn only to a folder
 * that it does not also reach through another one.
 *
 * @param modules the modules of a dependency-cruiser report
 */
export function toDot (modules) {
  const imports = importsBetween(modules)
  const reaches = (from, to) => imports.get(from).some((next) => next === to || reaches(next, to))
  const arrows = names.filter(isFolder).flatMap((from) => imports.get(from).filter(
    (to) => isFolder(to) && !imports.get(from).some((between) => between !== to && reaches(between, to))
  ).map((to) => `  "${from}" -> "${to}"`))
  return `digraph architecture {
  graph [rankdir=TB ranksep=0.28 nodesep=0.5 fontname="Helvetica,Arial,sans-serif"]
  node [shape=box style="rounded,filled" fillcolor="#fdf6d8" color="#8a7d4a" fontname="Helvetica,Arial,sans-serif" fontsize=13 margin="0.16,0.07"]
  edge [color="#1f4e79" penwidth=1.2 arrowsize=0.7]
${names.map((name) => isFolder(name) ? boxOf(name, imports.get(name).filter(isFolder)) : foundationOf(name)).join('\n')}
${arrows.join('\n')}
  { edge [style=invis] ${names.filter((name) => isFolder(name) && !imports.get(name).some(isFolder)).map((name) => `"${name}"`).join(' ')} -> "${FOUNDATIONS[0]}" }
  "${FOUNDATIONS[0]}" -> "${FOUNDATIONS[1]}"
}
`
}

/** Maps each layer to the layers that it imports, both in order. */
function importsBetween (modules) {
  const layerOf = (path) => layers.find(([, pattern]) => new RegExp(pattern).test(path))?.[0]
  const found = new Set(modules.flatMap(({ source, dependencies }) => dependencies.map(({ resolved }) => `${layerOf(source)} > ${layerOf(resolved)}`)))
  return new Map(names.map((from) => [from, names.filter((to) => to !== from && found.has(`${from} > ${to}`))]))
}

function boxOf (name, imports) {
  const lines = []
  for (let at = 0; at < imports.length; at += 6) lines.push(imports.slice(at, at + 6).join(', '))
  const list = lines.length === 0 ? 'none of these' : lines.join(',<br/>')
  return `  "${name}" [label=<<b>${name}</b><br/><font point-size="9" color="#5f5f5f">${list}</font>>]`
}

function foundationOf (name) {
  return `  "${name}" [width=7 fillcolor="#e8eef4" color="#5b7690" label=<<b>${name}</b><br/><font point-size="9" color="#5f5f5f">every folder may use it</font>>]`
}

async function draw () {
  process.chdir(root)
  // Imported here, because the test of `toDot` does not need it.
  const { cruise } = await import('dependency-cruiser')
  const { default: extractTSConfig } = await import('dependency-cruiser/config-utl/extract-ts-config')
  const { output } = await cruise(['client', 'lib', 'routes', 'schemas'], config.options, {}, { tsConfig: extractTSConfig('tsconfig.json') })
  const dot = toDot(output.modules)
  const { error, status, stdout, stderr } = spawnSync('dot', ['-Tsvg'], { input: dot, encoding: 'utf8' })
  if (error?.code === 'ENOENT') {
    console.error('npm run docs:architecture needs graphviz: apt-get install graphviz, or brew install graphviz')
    process.exit(1)
  }
  if (status !== 0) throw new Error(`dot failed: ${stderr}`, { cause: error })
  writeFileSync('docs/architecture.dot', dot)
  writeFileSync('docs/architecture.svg', stdout)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await draw()
