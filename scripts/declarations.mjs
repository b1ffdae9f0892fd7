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

/** Lists the names that a declaration file exports only as types: interfaces, type aliases, `export type { … }` and `export type *`. */
export function exportedTypes (file) {
  return parse(file).statements.flatMap((statement) => {
    if (isExported(statement) && (ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement))) return [statement.name.text]
    if (isStar(statement)) return exportedTypes(moduleOf(file, statement))
    if (!ts.isExportDeclaration(statement) || !ts.isNamedExports(statement.exportClause)) return []
    return statement.exportClause.elements.filter((element) => statement.isTypeOnly || element.isTypeOnly).map(({ name }) => name.text)
  })
}

/** Lists the type parameters of a class that a declaration file exports, from here or from another file: `['C = unknown']`. */
export function typeParametersOf (file, name) {
  for (const statement of parse(file).statements) {
    if (ts.isClassDeclaration(statement) && statement.name.text === name) return (statement.typeParameters ?? []).map((parameter) => parameter.getText())
    const { elements = [] } = statement.exportClause ?? statement.importClause?.namedBindings ?? {}
    const element = elements.find((element) => element.name.text === name)
    if (element !== undefined && statement.moduleSpecifier !== undefined) return typeParametersOf(moduleOf(file, statement), (element.propertyName ?? element.name).text)
  }
  throw new Error(`${file} has no class ${name}`)
}

function isStar (statement) {
  return ts.isExportDeclaration(statement) && statement.exportClause === undefined && statement.isTypeOnly
}

function moduleOf (file, { moduleSpecifier }) {
  return resolve(dirname(file), moduleSpecifier.text.replace(/\.js$/, '.d.ts'))
}

function parse (file) {
  return ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true)
}

function isExported (statement) {
  return statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true
}
