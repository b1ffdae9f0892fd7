import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import ts from 'typescript'

/** The declaration files that a program reads which imports these ones, themselves included. */
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

/** Modules that a declaration file imports, or exports something of: `ts.preProcessFile` passes over `export * as name from`. */
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

/** Names that a declaration file exports as types alone; it lists them one by one, in `export type { … }`. */
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
