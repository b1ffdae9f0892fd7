import type { Exchange } from '../exchange.js'
import type { CallContext } from '../handler-context.js'
import type { Handlers } from '../handlers.js'
import { builtIn } from '../router.js'

/** Where a walker's handler is registered when its name has no namespace of its own: `walker.<name>`. */
const NAMESPACE = 'walker.'

/** `walker`: calls a handler by its name, with a reply where the frame asks for one (rows J1, J8). */
export const walkerFrame = (handlers: Handlers, contextOf: (exchange: Exchange<object>) => CallContext) => builtIn('walker', (exchange) => {
  const { walker, context = {}, response } = exchange.message
  const type = walker.includes('.') ? walker : NAMESPACE + walker
  const rate = handlers.rateOf(type)
  exchange.wantsReply ||= response === true
  if (rate !== null) exchange.connection.account.paceType(type, rate)
  return handlers.call(type, context, contextOf(exchange), '/context')
})
