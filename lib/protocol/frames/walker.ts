import type { Exchange } from '../exchange.js'
import type { CallContext } from '../handler-context.js'
import type { Handlers } from '../handlers.js'
import { builtIn } from '../router.js'

/** Namespace of walkers that are named without one: `walker.<name>`. */
const NAMESPACE = 'walker.'

/** `walker`: calls a handler by its name, with a reply where the frame asks for one (rows J1, J8). */
export const walkerFrame = (handlers: Handlers, contextOf: (exchange: Exchange<object>, channel: string | null) => CallContext) => builtIn('walker', (exchange) => {
  const { walker, context = {} } = exchange.message
  const type = typeOf(walker)
  const rate = handlers.rateOf(type)
  if (rate !== null) exchange.connection.budget.paceType(type, rate)
  return handlers.call(type, context, (channel) => contextOf(exchange, channel), '/context')
}, {
  isRepeatable: true,
  replySchemaOf: ({ walker }) => handlers.replySchemaOf(typeOf(walker)),
  wantsReply: ({ response }) => response === true
})

function typeOf (walker: string): string {
  return walker.includes('.') ? walker : NAMESPACE + walker
}
