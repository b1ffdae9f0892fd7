import t from 'tap'
import { Health } from '../../../lib/engine/redis/health.js'
import { keepingLog } from '../../fixtures/redis-nodes.js'

t.test('reasons of several sources are combined in one order, and a change is reported once', async (t) => {
  const { log, messages } = keepingLog()
  const health = new Health(log)
  const heard: string[] = []
  health.onChange(({ status, reasons }) => { heard.push([status, ...reasons].join(' ')) })
  t.strictSame(health.current, { status: 'unavailable', reasons: ['unreachable'] }, 'at first nothing is known to work')
  health.report('connection', [])
  t.strictSame(messages, [], 'that it works at first is no news for the log')
  health.report('subscriptions', ['subscriptions_behind'])
  health.report('probe', ['writes_refused'], { text: 'it is full', error: new Error('OOM') })
  health.report('probe', ['writes_refused'])
  health.report('connection', ['unreachable', 'access_denied'])
  for (const source of ['connection', 'probe', 'subscriptions'] as const) health.report(source, [])
  t.strictSame(heard, [
    'ready',
    'degraded subscriptions_behind',
    'degraded writes_refused subscriptions_behind',
    'unavailable unreachable access_denied writes_refused subscriptions_behind',
    'degraded writes_refused subscriptions_behind',
    'degraded subscriptions_behind',
    'ready'
  ])
  t.equal(messages[1], 'Redis is partly unavailable: it is full')
  t.equal(messages.at(-1), 'Redis is fully available again')
  t.equal(messages.filter((message) => message.startsWith('Redis is fully')).length, 1)
})

t.test('a closed health reports nothing', async (t) => {
  const { log, messages } = keepingLog()
  const health = new Health(log)
  health.report('connection', [])
  health.onChange(() => t.fail('told after the end'))
  health.close()
  health.report('probe', ['writes_refused'])
  t.strictSame(health.current, { status: 'unavailable', reasons: ['unreachable'] })
  t.strictSame(messages, [])
})
