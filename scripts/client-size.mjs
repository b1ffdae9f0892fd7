/*
 * Measures what the client adds to a page: all that `fastify-ws-manager/client` exports, bundled and minified by esbuild, then compressed as
 * servers do (gzip, level 9).
 */
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))

/** The client's own bound, without React, elements and tabs. */
export const MAX_BYTES = 8_192

/**
 * Bundles a module for browsers.
 *
 * @param {string} module a path, or the name of a package
 * @param {string} directory where it is imported
 * @param {string} exported what is used of it; everything by default
 * @returns {Promise<{ minified: number, gzip: number, brotli: number }>} bytes
 */
export async function sizeOf (module, directory = root, exported = '*') {
  const { outputFiles: [{ contents }] } = await build({
    stdin: { contents: `export ${exported} from '${module}'`, resolveDir: directory },
    bundle: true,
    write: false,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    // Peers that an app has anyway.
    external: ['react'],
    logLevel: 'warning'
  })
  return { minified: contents.length, gzip: gzipSync(contents, { level: 9 }).length, brotli: brotliCompressSync(contents).length }
}
