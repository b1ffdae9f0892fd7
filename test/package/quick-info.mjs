import ts from 'typescript'
import { NAME } from './packed.mjs'

/** Objects that an app writes: what an editor says of each field is all that many people read. */
const OPTIONS = /(?:Options|Limit|Rule|Guard)$|^(?:AuthenticatedUser|RevocationTarget|StepResult)$/
const FORMATTED = { noErrorTruncation: true }

/**
 * What an editor knows of a dependent's project.
 *
 * @param texts what is in its files, by name
 */
export class Editor {
  #service
  #folder
  #texts

  constructor (folder, texts, options) {
    this.#folder = folder
    this.#texts = new Map(Object.entries(texts).map(([name, text]) => [`${folder}/${name}`, text]))
    this.#service = ts.createLanguageService({
      ...ts.sys,
      useCaseSensitiveFileNames: () => ts.sys.useCaseSensitiveFileNames,
      getScriptFileNames: () => [...this.#texts.keys()],
      getScriptVersion: (file) => this.#texts.get(file) ?? '',
      getScriptSnapshot: (file) => {
        const text = this.#texts.get(file) ?? ts.sys.readFile(file)
        return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text)
      },
      fileExists: (file) => this.#texts.has(file) || ts.sys.fileExists(file),
      readFile: (file) => this.#texts.get(file) ?? ts.sys.readFile(file),
      getCurrentDirectory: () => folder,
      getDefaultLibFileName: ts.getDefaultLibFilePath,
      getCompilationSettings: () => options
    })
  }

  /** What it underlines, file by file. */
  faults () {
    return [...this.#texts.keys()].flatMap((file) => [...this.#service.getSyntacticDiagnostics(file), ...this.#service.getSemanticDiagnostics(file)]
      .map(({ messageText, start }) => `${file.slice(this.#folder.length + 1)}(${start}): ${ts.flattenDiagnosticMessageText(messageText, '\n')}`))
  }

  /** What it shows of every field of every option object that a module exports. */
  optionsOf (module) {
    const typed = `import type * as face from '${module}'\n`
    const probe = `${this.#folder}/probe.mts`
    this.#texts.set(probe, `${typed}type Face = typeof face\nexport type Of = Face`)
    const program = this.#service.getProgram()
    const checker = program.getTypeChecker()
    const source = program.getSourceFile(probe)
    const face = checker.getSymbolAtLocation(source.statements[0].moduleSpecifier)
    const names = checker.getExportsOfModule(face).map((symbol) => symbol.name).filter((name) => OPTIONS.test(name))
    const positions = []
    let text = typed
    for (const name of names) {
      const symbol = checker.getExportsOfModule(face).find((symbol) => symbol.name === name)
      const type = checker.getDeclaredTypeOfSymbol(symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol)
      for (const [index, member] of objectsIn(type, checker).entries()) {
        const write = (object, path) => {
          text += '{ '
          for (const { key, value, isOptional } of fieldsOf(object, checker)) {
            // A name that stands for any is none of ours.
            const [inner] = objectsIn(value, checker)
            if (key !== null) positions.push({ name: `${path}.${key}`, position: text.length, isOptional, isGroup: inner !== undefined })
            text += `${key ?? 'any'}: `
            if (inner === undefined) text += 'undefined as never'
            else write(inner, key === null ? path : `${path}.${key}`)
            text += ', '
          }
          text += '}'
        }
        const { length } = type.typeParameters ?? type.aliasTypeArguments ?? []
        text += `export const of${name}${index}: face.${name}${length === 0 ? '' : `<${Array(length).fill('any').join(', ')}>`} = `
        write(member, name)
        text += '\n'
      }
    }
    this.#texts.set(probe, text)
    const shown = positions.map(({ name, position, isOptional, isGroup }) => {
      const info = this.#service.getQuickInfoAtPosition(probe, position, undefined, undefined, FORMATTED)
      const description = ts.displayPartsToString(info?.documentation)
      const tag = info?.tags?.find(({ name }) => name === 'default')
      return { name, isOptional, isGroup, description, default: tag === undefined ? null : ts.displayPartsToString(tag.text) }
    })
    this.#texts.delete(probe)
    return shown
  }
}

/** The object types in a type that the package itself declares: of several in a union each. */
function objectsIn (type, checker) {
  const members = type.isUnion() ? type.types : [type]
  return members.filter((member) => {
    if ((member.flags & (ts.TypeFlags.Object | ts.TypeFlags.Intersection)) === 0 || checker.isArrayType(member) || member.getCallSignatures().length > 0) return false
    return isOurs(member.aliasSymbol ?? member.symbol) && fieldsOf(member, checker).length > 0
  })
}

function fieldsOf (object, checker) {
  const named = checker.getPropertiesOfType(object).filter(isOurs).map((property) => ({
    key: property.name, value: checker.getTypeOfSymbol(property), isOptional: (property.flags & ts.SymbolFlags.Optional) !== 0
  }))
  const indexed = object.getStringIndexType()
  return indexed === undefined ? named : [...named, { key: null, value: indexed, isOptional: true }]
}

function isOurs (symbol) {
  return symbol?.declarations?.[0]?.getSourceFile().fileName.includes(`/${NAME}/`) === true
}
