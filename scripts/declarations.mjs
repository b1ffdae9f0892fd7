import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import ts from 'typescript'

/** Returns the declaration files that these entries import, directly or not, and the entries themselves. */
export function reachableFrom (entries) {
  const reached = new Set()
  const left = [...entries]
  while (left.length > 0) {
    const file = left.pop()
    if (reached.has(file)) continue
    reached.add(file)
    for (const module of modulesIn(file)) if (module.startsWith('.')) left.push(resolve(dirname(file), module.replace(/\.js$/, '.d.ts')))
  }
  return reached
}

/** Lists the modules that a declaration file imports or re-exports. Not by `ts.preProcessFile`, which misses `export * as name from`. */
function modulesIn (file) {
  const modules = []
  const visit = (node) => {
    const { moduleSpecifier, argument } = node
    if (moduleSpecifier !== undefined) modules.push(moduleSpecifier.text)
    if (ts.isImportTypeNode(node)) modules.push(argument.literal.text)
    ts.forEachChild(node, visit)
  }
  visit(parse(file))
  return modules
}

/** Lists the names that a declaration file exports only as types: interfaces, type aliases and `export type { … }`. */
export function exportedTypes (file) {
  return parse(file).statements.flatMap((statement) => {
    if (isExported(statement) && (ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement))) return [statement.name.text]
    if (!ts.isExportDeclaration(statement) || statement.exportClause === undefined || !ts.isNamedExports(statement.exportClause)) return []
    return statement.exportClause.elements.filter((element) => statement.isTypeOnly || element.isTypeOnly).map(({ name }) => name.text)
  })
}

function parse (file) {
  return ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest)
}

function isExported (statement) {
  return statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true
}
