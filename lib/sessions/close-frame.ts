import { closeCodes, type CloseCode } from '../../schemas/codes.js'
import { toWire } from '../wire-error.js'

/** Returns the close frame for a refusal, by its error code. */
export function closeFrameFor (refusal: unknown): { code: CloseCode, reason: string } {
  const { code, message: reason } = toWire(refusal)
  switch (code) {
    case 'unauthorized': return { code: closeCodes.unauthorized, reason }
    case 'forbidden': return { code: closeCodes.forbidden, reason }
    case 'already_connected': return { code: closeCodes.replaced, reason }
    case 'too_many_connections':
    case 'rate_limited':
    case 'unavailable': return { code: closeCodes.tryAgainLater, reason }
    case 'internal': return { code: closeCodes.internalError, reason }
    default: return { code: closeCodes.policyViolation, reason }
  }
}
