import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createContext, Script } from 'node:vm'
import { RE2JS } from 're2js'
import t from 'tap'
import { setOf } from '../../lib/validation/character-sets.js'
import { Pattern } from '../../lib/validation/pattern.js'
import { SchemaError } from '../../lib/validation/schema-error.js'
import { catastrophic, honest, randomPattern, randomText } from '../fixtures/patterns.js'
import { random } from '../fixtures/random.js'
import { root } from '../fixtures/root.js'

const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
const FLAGS = ['', 'i', 'u', 'iu', 's', 'su', 'g', 'd']

const realm = createContext({})
const judge = new Script('texts.map((text) => new RegExp(source, flags).test(text))')

/** JavaScript's own matcher backtracks, on some random patterns for years. null: it has not answered within a second. */
function inJavaScript (source: string, flags: string, texts: string[]): boolean[] | null {
  try {
    return judge.runInContext(Object.assign(realm, { source, flags, texts }), { timeout: 1_000 })
  } catch (error) {
    if ((error as { code?: string }).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return null
    throw error
  }
}

t.test('a pattern matches the same texts as in JavaScript', (t) => {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
  const chance = random(seed)
  let compared = 0
  let matched = 0
  let unanswered = 0
  for (let i = 0; i < 1_500; i++) {
    const { source: whole } = randomPattern(chance)
    const source = chance.chance(0.5) ? whole : whole.slice(1, -1)
    const flags = chance.pick(FLAGS)
    const ours = new Pattern(source, flags, 40)
    const texts = Array.from({ length: 12 }, () => randomText(chance))
    const theirs = inJavaScript(source, flags.replace('g', ''), texts)
    if (theirs === null) unanswered++
    for (const [j, isMatch] of theirs?.entries() ?? []) {
      const text = texts[j]!
      if (ours.test(text) !== isMatch) t.fail(`/${source}/${flags} on ${JSON.stringify(text)}: ${isMatch} in JavaScript (SEED=${seed})`)
      compared++
      if (isMatch) matched++
    }
  }
  t.ok(unanswered <= 5, `${unanswered} patterns that JavaScript cannot answer (SEED=${seed})`)
  t.ok(matched > compared / 10 && matched < compared * 9 / 10, `${matched} of ${compared} matched`)
  t.end()
})

t.test('classes, letters and line ends mean the same as in JavaScript', (t) => {
  const atoms = ['\\d', '\\D', '\\w', '\\W', '\\s', '\\S', '.', '[^]', '[]', '[\\b]', '\\x41', '\\u0041', '\\cJ', '\\0', '\\/', '\\-', '\\x', '\\u', 'ſ', 'K', 'ß', 'é', '{', '}', ']', 'a{,2}', '[^\\d\\s]', '[a-z&&b]']
  const unicode = ['\\p{Lu}', '\\P{L}', '[\\p{Script=Greek}a]', '\\u{1F600}', '\\uD83D\\uDE00', '😀', '[😀-😂]', '[^😀]', '.', '\\D', 'ſ', 'K', '\\uD83D', '[\\uDE00]']
  let compared = 0
  const texts = [...Array.from({ length: 0x250 }, (_, i) => String.fromCharCode(i)), '\u2028', '\u2029', '\ufeff', '\u3000', 'Σ', 'ς', 'K', 'ſ', 'İ', '😀', '\ud83d', '\ude00', 'x\ude00\ud83d', 'a{,2}', '𐐀', '𐐨', '']
  for (const flags of ['', 'i', 's', 'u', 'iu', 'su']) {
    for (const atom of flags.includes('u') ? unicode : atoms) {
      for (const source of [atom, `^${atom}$`, `^(?:${atom})+?.$`]) {
        const ours = new Pattern(source, flags, 20)
        const theirs = new RegExp(source, flags)
        for (const text of texts) {
          compared++
          if (ours.test(text) !== theirs.test(text)) t.fail(`/${source}/${flags} on ${JSON.stringify(text)}`)
        }
      }
    }
  }
  t.ok(compared > 50_000)
  t.end()
})

t.test('word boundaries, ends, groups and counts mean the same as in JavaScript', (t) => {
  for (const [source, flags] of [['\\bab\\b', ''], ['\\Bb', 'i'], ['^$', ''], ['a$', ''], ['(?<year>\\d{4})-(\\d\\d)', ''], ['(?:a|b|){2,3}c', ''], ['a{0}b', ''], ['a??b', ''], ['ab', 'y'], ['b', 'y'], ['\\ba', 'u']] as const) {
    const ours = new Pattern(source, flags, 20)
    for (const text of ['ab', 'cab', ' ab ', 'ab\n', '', 'aab', '2026-11', 'abc', 'éb', 'b', 'a\nb']) t.equal(ours.test(text), new RegExp(source, flags).test(text), `/${source}/${flags} on ${JSON.stringify(text)}`)
  }
  t.end()
})

t.test('matching time does not explode, whatever the text', (t) => {
  for (const source of [...catastrophic.map(({ source }) => source), ...honest]) {
    const pattern = new Pattern(source, '', 1_000)
    for (const part of ['a', 'a ', 'x', 'foo', ',', '@', 'ä', 'a.']) {
      const text = part.repeat(1_000).slice(0, 999) + '\0'
      const before = process.cpuUsage()
      pattern.test(text)
      const { user, system } = process.cpuUsage(before)
      t.ok(user + system < 250_000, `${source} on ${part}…: ${user + system} µs`)
    }
  }
  t.end()
})

t.test('a pattern that cannot be matched in linear time is refused with the reason', (t) => {
  const bad: Array<[source: string, flags: string, reason: RegExp]> = [
    ['(', '', /Invalid regular expression/],
    ['a', 'vv', /Invalid flags/],
    ['[a--b]', 'v', /it has the flag v/],
    ['(?=a)b', '', /it has \(\?=, which is not a plain group/],
    ['(?!a)b', '', /it has \(\?!,/],
    ['(?<=a)b', '', /it has \(\?<=,/],
    ['(?<!a)b', '', /it has \(\?<!,/],
    ['(a)\\1', '', /it has a backreference or an octal escape/],
    ['(?<n>a)\\k<n>', '', /it has a backreference/],
    ['\\01', '', /octal escape/],
    ['\\c!', '', /it has \\c without a letter/],
    ['^a', 'm', /it has \^ with the flag m/],
    ['a$', 'm', /it has \$ with the flag m/],
    ['\\ba', 'iu', /it has \\b with the flags i and u/],
    ['a{1001}', '', /invalid repeat count/],
    ['(a?){300}a{300}', '', /too complex for texts of 1000 characters/],
    ['(a|b)*a(a|b){300}', '', /too complex/]
  ]
  for (const [source, flags, reason] of bad) {
    t.throws(() => new Pattern(source, flags, 1_000), { constructor: SchemaError, message: reason }, `/${source}/${flags}`)
    t.throws(() => new Pattern(source, flags, 1_000), { message: `has the pattern ${source}, which ` })
  }
  t.doesNotThrow(() => new Pattern('(a|b)*a(a|b){300}', '', 500), 'it is not too complex for shorter texts')
  t.doesNotThrow(() => new Pattern('^[A-Za-z][\\w-]{0,63}(\\.[A-Za-z_][\\w-]{0,63}){1,4}$', '', 1_000), 'nor where there is one way alone')
  t.end()
})

t.test('character sets are cached, up to a maximum', (t) => {
  const first = setOf('[p-q]', '')
  t.same(first, [[0x70, 0x71]])
  t.equal(setOf('[p-q]', ''), first)
  for (let i = 0; i < 1_000; i++) setOf(`[\\u${i.toString(16).padStart(4, '0')}]`, '')
  t.not(setOf('[p-q]', ''), first)
  t.end()
})

t.test('re2js has the internal parts on which patterns rely', (t) => {
  const onePass = RE2JS.compile('\\Aab?\\z')
  const searching = RE2JS.compile('(?:a|b)*c.*d')
  for (const engine of [onePass, searching]) {
    t.ok(Number.isInteger(engine.programSize()) && engine.programSize() > 0, 'programSize()')
    t.type(engine.re2().dfa.failed, 'boolean', 're2().dfa.failed')
  }
  t.type(onePass.re2().onepass, 'object', 're2().onepass')
  t.not(onePass.re2().onepass, null, 'a one-pass program')
  t.equal(searching.re2().onepass, null, 'none for a pattern that needs a search')
  t.equal(manifest.dependencies.re2js, '~2.10.0', 'they are no public parts, so no other version is taken')
  t.end()
})
