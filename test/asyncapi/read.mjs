/* Runs beside the tools: validates the documents, and writes the models that are generated from them. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { TypeScriptGenerator } from '@asyncapi/modelina'
import { Parser } from '@asyncapi/parser'

const ERROR = 0
const WARNING = 1
const CONFIG = { compilerOptions: { strict: true, noEmit: true, target: 'es2022', module: 'esnext', moduleResolution: 'bundler', types: [] } }

const documents = JSON.parse(await readFile('documents.json', 'utf8'))
for (const [name, document] of Object.entries(documents)) {
  const faults = await faultsOf(document)
  if (faults.length > 0) throw new Error(`${name}: ${faults.join('; ')}`)
  const models = await new TypeScriptGenerator({ modelType: 'interface' }).generateCompleteModels(document, { moduleSystem: 'ESM', exportType: 'named' })
  const generated = new Set(models.map(({ modelName }) => modelName))
  const missing = Object.values(document.components.messages).map(({ payload }) => payload.$ref.split('/').at(-1)).filter((schema) => !generated.has(schema))
  if (missing.length > 0) throw new Error(`${name}: there is no model of ${missing.join(', ')}`)
  await mkdir(name)
  await writeFile(`${name}/tsconfig.json`, JSON.stringify(CONFIG))
  for (const { modelName, result } of models) await writeFile(`${name}/${modelName}.ts`, result)
  console.log(`${name} is valid, and has ${models.length} models`)
}

// What would be found: a document without its title, and one whose call has lost its reply.
const { rich } = documents
const { title: _, ...untitled } = rich.info
const { 'reply.chat.send': __, ...unanswered } = rich.components.messages
for (const broken of [{ ...rich, info: untitled }, { ...rich, components: { ...rich.components, messages: unanswered } }]) {
  if ((await faultsOf(broken)).length === 0) throw new Error('a broken document is taken for a good one')
}

async function faultsOf (document) {
  const { diagnostics } = await new Parser().parse(JSON.stringify(document))
  return diagnostics.filter(({ severity }) => severity === ERROR || severity === WARNING).map(({ code, message, path }) => `${path.join('/')}: ${message} (${code})`)
}
