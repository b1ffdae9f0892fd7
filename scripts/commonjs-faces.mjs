import { writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { exportedTypes, typeParametersOf } from './declarations.mjs'

const AS_ESM = "with { 'resolution-mode': 'import' }"

/**
 * Writes `<entry>.cjs` and `<entry>.d.cts` beside each `<entry>.js`. The first loads the ES module, so a process has one copy of the
 * package; the second re-exports its types, so a program has one declaration of each.
 */
export async function writeCommonJsFaces (entries) {
  for (const entry of entries) {
    const module = await import(`${entry}.js`)
    const face = { from: `./${basename(entry)}.js`, types: exportedTypes(`${entry}.d.ts`), classes: [], values: [] }
    for (const [name, value] of Object.entries(module)) {
      if (name === 'default') continue
      if (isClass(value)) face.classes.push({ name, parameters: typeParametersOf(`${entry}.d.ts`, name) })
      else face.values.push(name)
    }
    const plugin = face.values.find((name) => module[name] === module.default)
    writeFileSync(`${entry}.cjs`, plugin === undefined ? moduleText(face) : pluginText(face, plugin))
    writeFileSync(`${entry}.d.cts`, plugin === undefined ? moduleTypes(face) : pluginTypes(face, plugin))
  }
}

function isClass (value) {
  return typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value))
}

function moduleText ({ from }) {
  return `'use strict'

module.exports = { ...require('${from}') }
`
}

/** As in Fastify's own plugins, `require()` returns the plugin, with every export as a property, itself included. */
function pluginText ({ from }, plugin) {
  return `'use strict'

const face = require('${from}')

module.exports = Object.assign(face.${plugin}, face)
Object.defineProperty(module.exports, '__esModule', { value: true })
`
}

function moduleTypes (face) {
  return `${head(face)}
${valuesOf(face, 'export declare').join('\n')}
export type { ${face.types.join(', ')} }
`
}

function pluginTypes (face, plugin) {
  const { values } = face
  return `${head(face)}
type Plugin = typeof face.${plugin}

declare function ${plugin} (...parameters: Parameters<Plugin>): ReturnType<Plugin>
declare namespace ${plugin} {
  const plugin: Plugin
  export { plugin as ${plugin}, plugin as default }
${valuesOf({ ...face, values: values.filter((name) => name !== plugin) }, 'export').map((line) => `  ${line}`).join('\n')}
  export { ${face.types.join(', ')} }
}
export = ${plugin}
`
}

function head ({ from, types }) {
  return `import type * as face from '${from}' ${AS_ESM}
${types.length === 0 ? '' : `import type { ${types.join(', ')} } from '${from}' ${AS_ESM}\n`}`
}

function valuesOf ({ values, classes }, modifiers) {
  return [
    ...[...values, ...classes.map(({ name }) => name)].map((name) => `${modifiers} const ${name}: typeof face.${name}`),
    ...classes.map(({ name, parameters }) => `export type ${name}${listOf(parameters)} = face.${name}${listOf(parameters.map((parameter) => parameter.split(' ')[0]))}`)
  ]
}

function listOf (parameters) {
  return parameters.length === 0 ? '' : `<${parameters.join(', ')}>`
}
