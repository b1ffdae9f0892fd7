import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import t from 'tap'
import { EncodedText, hasRepresentation } from '../../lib/http/encoded-text.js'

const text = 'Ä text that repeats itself. '.repeat(50)

const accepted: Record<string, 'br' | 'gzip' | null> = {
  'gzip, deflate, br, zstd': 'br',
  'gzip, deflate': 'gzip',
  GZIP: 'gzip',
  'br;q=0.5, gzip': 'gzip',
  'br;q=0.5, gzip;q=0.5': 'br',
  'br; q=0, gzip;q=0.1': 'gzip',
  'br;q=0, gzip;q=0': null,
  '*': 'br',
  '*;q=0.5, br;q=0': 'gzip',
  '*;q=0': null,
  'identity, gzip;q=0.5': null,
  'identity;q=0.5, gzip': 'gzip',
  'identity;q=0': null,
  'br;q=many, gzip;level=9': null,
  zstd: null,
  '': null
}

t.test('a text is encoded as the client likes it best', async (t) => {
  const encoded = new EncodedText(text)
  for (const [header, coding] of Object.entries(accepted)) t.equal((await encoded.for(header)).coding, coding, header)
  t.equal((await encoded.for(undefined)).coding, null)
})

t.test('every encoding is that of the text, is made once, and has its own ETag', async (t) => {
  const encoded = new EncodedText(text)
  const [br, gzip, plain] = await Promise.all(['br', 'gzip', ''].map((header) => encoded.for(header)))
  t.equal(String(brotliDecompressSync(br!.body)), text)
  t.equal(String(gunzipSync(gzip!.body)), text)
  t.equal(String(plain!.body), text)
  t.equal(await encoded.for('br'), br)
  const etags = [br, gzip, plain].map((representation) => representation!.etag)
  t.equal(new Set(etags).size, 3)
  for (const etag of etags) t.match(etag, /^"[\w-]{40,}"$/, 'strong')
  t.notMatch((await new EncodedText(`${text}.`).for('')).etag, plain!.etag)
  t.equal((await new EncodedText(text).for('')).etag, plain!.etag, 'the same on every node')
})

t.test('If-None-Match names a representation by its tag, weak or strong, alone or among others, or by a star', async (t) => {
  const encoded = new EncodedText(text)
  const [plain, gzip] = [await encoded.for(''), await encoded.for('gzip')]
  for (const header of [plain.etag, `W/${plain.etag}`, `"other" , ${plain.etag}`, '*']) t.ok(hasRepresentation(header, plain), header)
  for (const header of [undefined, '', '"other"', gzip.etag, plain.etag.slice(1, -1)]) t.notOk(hasRepresentation(header, plain), String(header))
})
