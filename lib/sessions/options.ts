import { Type } from '@sinclair/typebox'
import { count, rate, type OptionsOf } from '../option-types.js'

/** Options of admission. */
export const sessionOptions = {
  rejectMode: Type.Union([Type.Literal('http'), Type.Literal('close')], {
    default: 'http',
    description: 'How a socket is refused: with an HTTP status before the upgrade, or opened and closed with a code that a browser can read'
  }),
  onDuplicateUser: Type.Union([Type.Literal('allow'), Type.Literal('replace'), Type.Literal('refuse')], {
    default: 'allow',
    description: 'How a user\'s second connection is handled: allowed beside the first, replacing it (4409), or refused'
  })
}
export type SessionOptions = OptionsOf<typeof sessionOptions>

/** Limits on how many sockets there are. */
export const sessionLimits = {
  maxConnections: count(1_000, 'Open sockets on this node'),
  maxConnectionsPerUser: count(10, 'Open sockets of one user on this node'),
  maxRolesPerUser: count(100, 'Roles of a user who connects; a token with more is refused'),
  maxUnauthenticated: count(100, 'Sockets on this node that wait for their first auth frame'),
  maxUnauthenticatedPerIp: count(20, 'Sockets of one address on this node that wait for their first auth frame'),
  maxAnonymous: count(500, 'Open anonymous sockets on this node (auth.anonymous)'),
  maxAnonymousPerIp: count(100, 'Open anonymous sockets of one address on this node (auth.anonymous)'),
  connectionsPerIpPerMinute: rate(600, 'Upgrade requests from one address within a minute'),
  maxRevocations: count(100_000, 'Revocations that are remembered')
}
export type SessionLimits = OptionsOf<typeof sessionLimits>
