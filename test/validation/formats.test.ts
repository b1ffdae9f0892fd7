import { FormatRegistry, Type } from '@sinclair/typebox'
import t from 'tap'
import { Entries } from 'typebox/format'
import { CompiledSchema } from '../../lib/validation/compiled-schema.js'
import { readSchema } from '../../lib/validation/json-schema.js'

const withFormat = (format: string) => new CompiledSchema(readSchema({ type: 'string', format }))

t.test('the standard formats work without a definition, and the app\'s own goes before them', (t) => {
  const good = {
    date: '2026-11-30',
    time: '07:00:00Z',
    'date-time': '2026-11-30T07:00:00Z',
    duration: 'P1D',
    email: 'a@example.org',
    uuid: '9b2f0c5e-6a51-4b13-9a43-5c2d6f7a8b9c',
    uri: 'https://example.org/a',
    ipv4: '127.0.0.1',
    ipv6: '::1',
    hostname: 'example.org',
    'json-pointer': '/a',
    url: 'https://example.org',
    iri: 'https://exämple.org'
  }
  for (const [format, text] of Object.entries(good)) {
    t.ok(withFormat(format).Check(text), format)
    t.notOk(withFormat(format).Check('not a value'), format)
  }
  t.notOk([...FormatRegistry.Entries().keys()].includes('email'), 'nothing is added to the registry')
  const check = new CompiledSchema(Type.String({ format: 'email' }))
  FormatRegistry.Set('email', (text) => text === 'me')
  t.strictSame([check.Check('me'), check.Check('a@example.org')], [true, false])
  FormatRegistry.Delete('email')
  t.strictSame([check.Check('me'), check.Check('a@example.org')], [false, true])
  t.end()
})

t.test('no standard format takes long for a hostile text of 64 KiB', (t) => {
  const most = 65_536
  const pieces = ['a', '1', 'a@', 'a.', '"\\a', '::', '/a', '%41', '{a', 'a-', 'P1Y', '[a=b]', 'xn--', '\u0315\u0300', '中', '../', '(?:a']
  const texts = ['', 'a', 'a@a', 'http://a', '2026-11-30T07:00:00Z'].flatMap((start) => pieces.map((piece) => start + piece.repeat(most / piece.length)))
  for (const [format] of Entries()) {
    const check = withFormat(format)
    const started = performance.now()
    for (const text of texts) check.Check(text)
    const ms = (performance.now() - started) / texts.length
    t.ok(ms < 25, `${format}: ${ms.toFixed(1)} ms a text`)
  }
  t.end()
})
