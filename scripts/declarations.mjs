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
    const { importedFiles } = ts.preProcessFile(readFileSync(file, 'utf8'), true, true)
    for (const { fileName } of importedFiles) {
      if (fileName.startsWith('.')) left.push(resolve(dirname(file), fileName.replace(/\.js$/, '.d.ts')))
    }
  }
  return reached
}

/** Names that a declaration file exports as types alone; it lists them one by one, in `export type { … }`. */
export function exportedTypes (file) {
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest)
  return source.statements.flatMap((statement) => {
    if (isExported(statement) && (ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement))) return [statement.name.text]
    if (!ts.isExportDeclaration(statement) || statement.exportClause === undefined || !ts.isNamedExports(statement.exportClause)) return []
    return statement.exportClause.elements.filter((element) => statement.isTypeOnly || element.isTypeOnly).map(({ name }) => name.text)
  })
}

function isExported (statement) {
  return statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true
}
