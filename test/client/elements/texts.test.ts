import t from 'tap'
import { WsError } from '../../../client/index.js'
import { durationText, isAnnounced } from '../../../client/elements/durations.js'
import { changeTexts, english } from '../../../client/elements/texts.js'
import { defineElements } from '../../../client/elements/index.js'

t.test('each text can be replaced, also one of a group; the last change wins', (t) => {
  const texts = changeTexts(english, { answer: 'Senden', faults: { required: () => 'Bitte ausfüllen.' } }, { answer: 'Abschicken', decline: undefined })
  t.equal(texts.answer, 'Abschicken')
  t.equal(texts.decline, english.decline)
  t.equal(texts.faults.required(''), 'Bitte ausfüllen.')
  t.equal(texts.faults.tooLong('5'), 'Please enter at most 5 characters.')
  t.end()
})

t.test('a failed request is explained: an unknown fate before its code, and an unknown code in its own words', (t) => {
  t.match(english.failed(new WsError('timeout', 'x', { delivery: 'unknown' })), /not known whether/)
  t.match(english.failed(new WsError('already_settled', 'x', { delivery: 'refused' })), /ended in the meantime/)
  t.match(english.failed(new WsError('app.full', 'The box is full', { delivery: 'refused' })), /The box is full/)
  t.end()
})

t.test('a duration is written in its largest unit, in the language of the page', (t) => {
  const minute = 60_000
  t.equal(durationText(3 * 24 * 60 * minute, 'en'), '3 days')
  t.equal(durationText(47 * 60 * minute, 'en'), '47 hours')
  t.equal(durationText(119 * minute, 'en'), '119 minutes')
  t.equal(durationText(119_999, 'en'), '120 seconds')
  t.equal(durationText(1, 'de'), '1 Sekunde')
  t.equal(durationText(0, 'en'), '0 seconds')
  t.end()
})

t.test('a countdown is announced three times', (t) => {
  const seconds = Array.from({ length: 600 }, (_, i) => 600 - i)
  t.strictSame(seconds.filter((left) => isAnnounced((left + 1) * 1_000, left * 1_000)), [300, 60, 15])
  t.notOk(isAnnounced(Number.POSITIVE_INFINITY, 400_000))
  t.end()
})

t.test('on a server, where there are no elements, defining them does nothing', (t) => {
  t.doesNotThrow(() => defineElements({ texts: { answer: 'x' } }))
  t.end()
})
