import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TSchema } from '@sinclair/typebox'
import { build } from 'esbuild'
import t from 'tap'
import { OptionsSchema } from '../../lib/options.js'
import { errorCodes } from '../../schemas/codes.js'
import { clientFrames } from '../../schemas/frames/client.js'
import { serverFrameTypes } from '../../schemas/frames/types.js'
import { closeCodes } from '../../schemas/codes.js'
import { openPage, startBrowser } from '../fixtures/browser.js'
import { startProcess } from '../fixtures/process.js'
import { root } from '../fixtures/root.js'

const readme = await readFile(join(root, 'README.md'), 'utf8')
const protocol = await readFile(join(root, 'schemas/PROTOCOL.md'), 'utf8')

/** The code block behind `<!-- run: name -->`. */
function block (name: string): string {
  return new RegExp(`<!-- run: ${name} -->\\s*\`\`\`js\\n([\\s\\S]*?)\`\`\``).exec(readme)![1]!
}

t.test('the server and the client of the README work together', async (t) => {
  // Inside the project, so that its packages and its own name are found.
  const folder = await mkdtemp(join(root, 'dist', 'readme-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const server = block('server')
  t.match(server, '{ port: 3000 }')
  const listening = server.replace('{ port: 3000 }', '{ port: 0, host: "127.0.0.1" }') + '\nconsole.log(app.listeningOrigin)\n'
  await writeFile(join(folder, 'server.mjs'), listening)
  const { origin } = await startProcess(t, [join(folder, 'server.mjs')])

  await writeFile(join(folder, 'page.js'), block('client'))
  const { outputFiles: [bundle] } = await build({ entryPoints: [join(folder, 'page.js')], bundle: true, format: 'esm', write: false })
  const page = await openPage(t, await startBrowser(t), `${origin}/ws/health`)
  const asked = new Promise<string>((resolve) => page.once('dialog', async (dialog) => {
    resolve(dialog.message())
    await dialog.accept()
  }))
  await page.addScriptTag({ content: bundle!.text, type: 'module' })
  await page.getByText('alice: Hello').waitFor()
  const response = await fetch(`${origin}/import`, { method: 'POST' })
  t.equal(await asked, '3 rows cannot be read. Import the others?')
  t.match(await response.json(), { proceed: true, outcome: 'confirmed', answered_by: { user_id: 'alice' } })
})

t.test('the README\'s server and client have about fifteen lines each', async (t) => {
  for (const name of ['server', 'client']) t.ok(block(name).trim().split('\n').length <= 17, name)
})

t.test('the README\'s table of options is complete and its defaults are correct', async (t) => {
  const section = readme.slice(readme.indexOf('\n## Options'), readme.indexOf('\n## The wire'))
  const rows = new Map([...section.matchAll(/^\| `([\w.]+)[^|]*\|([^|]*)\|/gm)].map(([, name, value]) => [name, value!.trim()]))
  const check = (schema: TSchema, path: string) => {
    if (schema.properties !== undefined && path !== 'jwt') {
      for (const [name, property] of Object.entries<TSchema>(schema.properties)) check(property, path === '' ? name : `${path}.${name}`)
      return
    }
    t.ok(rows.has(path), `${path} is in the table`)
    if (schema.default !== undefined) t.equal(rows.get(path)!.replaceAll('`', ''), literal(schema.default), `default of ${path}`)
    rows.delete(path)
  }
  check(OptionsSchema, '')
})

t.test('PROTOCOL.md names every frame, error code and close code', async (t) => {
  for (const type of [...Object.keys(clientFrames), ...serverFrameTypes, ...errorCodes]) t.ok(protocol.includes(`\`${type}\``), type)
  for (const code of Object.values(closeCodes)) t.match(protocol, new RegExp(`^\\| ${code} \\|`, 'm'), String(code))
})

function literal (value: unknown): string {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return JSON.stringify(value)
  return Array.isArray(value) ? `[${value.map(literal).join(', ')}]` : typeof value === 'string' ? `'${value}'` : String(value)
}
