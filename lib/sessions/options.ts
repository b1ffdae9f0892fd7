import { Type } from '@sinclair/typebox'
import { count, rate, type OptionsOf } from '../option-types.js'

/** Options of admission. */
export const sessionOptions = {
  rejectMode: Type.Union([Type.Literal('http'), Type.Literal('close')], {
    default: 'http',
    description: 'Handling of a refused socket: http answers the upgrade with an HTTP status; close accepts it and closes with a code that browsers can read'
  }),
  onDuplicateUser: Type.Union([Type.Literal('allow'), Type.Literal('replace'), Type.Literal('refuse')], {
    default: 'allow',
    description: 'Handling of a user\'s second connection: allow both, replace the first (4409), or refuse the second'
  })
}
export type SessionOptions = OptionsOf<typeof sessionOptions>

/** Limits on the number of sockets. */
export const sessionLimits = {
  maxConnections: count(1_000, 'Maximum number of open sockets, per node'),
  maxConnectionsPerUser: count(10, 'Maximum number of open sockets of one user, per node'),
  maxRolesPerUser: count(100, 'Maximum number of roles in a token; a token with more is refused'),
  maxUnauthenticated: count(100, 'Maximum number of sockets that await their first auth frame, per node'),
  maxUnauthenticatedPerIp: count(20, 'Maximum number of sockets of one address that await their first auth frame, per node'),
  maxAnonymous: count(500, 'Maximum number of anonymous sockets, per node (auth.anonymous)'),
  maxAnonymousPerIp: count(100, 'Maximum number of anonymous sockets of one address, per node (auth.anonymous)'),
  connectionsPerIpPerMinute: rate(600, 'Maximum number of upgrade requests from one address per minute'),
  maxRevocations: count(100_000, 'Maximum number of stored revocations')
}
export type SessionLimits = OptionsOf<typeof sessionLimits>
