import { register } from 'node:module'
import t from 'tap'
import { redis } from '../../../lib/engine/redis/redis.js'
import { ENGINE } from '../../fixtures/engine-suite.js'
import { silent } from '../../fixtures/redis-nodes.js'

const hooks = `export async function resolve (specifier, context, next) {
  if (specifier === 'ioredis') throw new Error('it is not there')
  return next(specifier, context)
}`

t.test('redis() with options needs the package ioredis, and the error says so if it is missing', async (t) => {
  register(`data:text/javascript,${encodeURIComponent(hooks)}`)
  await t.rejects(redis({ host: '127.0.0.1' })({ ...ENGINE, log: silent }), {
    code: 'WSM_ERR_INVALID_OPTION', message: /"ioredis"/, cause: { message: /it is not there/ }
  })
})
