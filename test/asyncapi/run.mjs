/*
 * Reads the AsyncAPI document of an app with the tools that others read it with:
 *
 *   npm run test:asyncapi
 *
 * @asyncapi/parser validates it, and the TypeScript models that Modelina generates from it must compile. Both are installed in a fresh
 * folder, since they weigh more than everything else here; a package that cannot be installed fails the run.
 */
import { execFileSync } from 'node:child_process'
import { cp, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root, run } from '../package/packed.mjs'

const PACKAGES = ['@asyncapi/parser@3.6', '@asyncapi/modelina@5.10']

const folder = await realpath(await mkdtemp(join(tmpdir(), 'wsm-asyncapi-')))
try {
  await writeFile(join(folder, 'package.json'), '{ "name": "reader", "type": "module", "private": true }')
  for (const name of PACKAGES) await succeed('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline', '--loglevel=error', name], `${name} could not be installed`)
  // In a process of its own: an app of the project's build.
  const documents = JSON.parse(execFileSync(process.execPath, [join(root, 'test/asyncapi/documents.mjs')], { encoding: 'utf8' }))
  await writeFile(join(folder, 'documents.json'), JSON.stringify(documents))
  await cp(join(root, 'test/asyncapi/read.mjs'), join(folder, 'read.mjs'))
  console.log(await succeed(process.execPath, ['read.mjs'], 'the document is not good'))
  for (const name of Object.keys(documents)) {
    await succeed(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '--pretty', 'false', '-p', name], `the models of ${name} do not compile`)
    console.log(`the models of ${name} compile`)
  }
} finally {
  await rm(folder, { recursive: true })
}

async function succeed (file, args, fault) {
  const { code, output } = await run(file, args, folder, { timeoutMs: 240_000 })
  if (code === 0) return output.trim()
  throw new Error(`${fault}:\n${output}`)
}
