import { InvalidContractError } from '../invalid-contract-error.js'
import type { Contract } from './parts.js'

/** Makes the error for an entry of a contract. */
export function contractFault (part: keyof Contract, name: string, reason: string): Error {
  return new InvalidContractError(`${part}["${name}"]`, reason)
}
