import type { Exchange } from '../exchange.js'
import type { CallContext } from '../handler-context.js'
import type { Handlers } from '../handlers.js'
import { builtIn } from '../router.js'

/** Where a walker's handler is registered when its name has no namespace of its own: `walker.<name>`. */
const NAMESPACE = 'walker.'

/** `walker`: calls a handler by its name, with a reply where the frame asks for one (rows J1, J8). */
export const walkerFrame = (handlers: Handlers, contextOf: (exchange: Exchange<object>) => CallContext) => builtIn('walker', (exchange) => {
  const { walker, context = {}, response } = exchange.message
  exchange.wantsReply ||= response === true
  return handlers.call(walker.includes('.') ? walker : NAMESPACE + walker, context, contextOf(exchange))
})
