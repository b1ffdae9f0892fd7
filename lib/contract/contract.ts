import { InvalidContractError } from '../invalid-contract-error.js'
import { isPlainObject } from '../plain-object.js'
import { contractFault } from './fault.js'
import type { Checked, KnownParts, Whole } from './checked.js'
import type { Contract, ContractParts } from './parts.js'

export type { Checked, CheckedParts, KnownParts, Whole } from './checked.js'
export type { CallContract, ChannelContract, ConfirmationContract, Contract, ContractParts } from './parts.js'

const PARTS = ['messages', 'calls', 'confirmations', 'channels'] as const

/**
 * Defines what a server and its clients say to each other: one value for the option `contract`, the types of `fastify.ws`, the client
 * and the documents. It is checked when the plugin is registered.
 */
export function defineContract<const C extends ContractParts> (contract: C & Checked<C>): Whole<C> {
  return merged([contract]) as unknown as Whole<C>
}

/**
 * Merges the contracts of several files or plugins.
 *
 * @throws WSM_ERR_INVALID_CONTRACT if two of them define the same name, or one is no contract
 */
export function mergeContracts<const L extends readonly ContractParts[]> (...contracts: L & { [I in keyof L]: KnownParts<L[I]> }): Merged<L> {
  return merged(contracts) as unknown as Merged<L>
}

function merged (contracts: readonly ContractParts[]): object {
  for (const [index, contract] of contracts.entries()) assertParts(index + 1, contract)
  return Object.fromEntries(PARTS.map((part) => [part, mergePart(part, contracts)]))
}

/** Refuses what would be lost in the merged contract, which is all that the plugin sees. */
function assertParts (number: number, contract: unknown): void {
  if (!isPlainObject(contract)) throw new InvalidContractError(`argument ${number}`, 'a contract is an object with the parts messages, calls, confirmations and channels')
  for (const [name, part] of Object.entries(contract)) {
    if (!PARTS.some((known) => known === name)) throw new InvalidContractError(`argument ${number}`, `it has no part "${name}", only messages, calls, confirmations and channels`)
    if (part !== undefined && !isPlainObject(part)) throw new InvalidContractError(`argument ${number}`, `its ${name} must be an object with one field for each name`)
  }
}

function mergePart (part: typeof PARTS[number], contracts: readonly ContractParts[]): object {
  // Not an object, in which "__proto__" would not be a field.
  const merged = new Map<string, unknown>()
  for (const contract of contracts) {
    for (const [name, value] of Object.entries<unknown>(contract[part] ?? {})) {
      if (merged.has(name) && merged.get(name) !== value) throw contractFault(part, name, 'two parts of the contract define it')
      merged.set(name, value)
    }
  }
  return Object.fromEntries(merged)
}

type Intersected<U> = (U extends unknown ? (part: U) => void : never) extends (part: infer I) => void ? I : never
type PartOf<L extends readonly ContractParts[], P extends keyof Contract> = Intersected<{ [I in keyof L]: Whole<L[I]>[P] }[number]>
/** The contract that several make together. */
export type Merged<L extends readonly ContractParts[]> = { [P in keyof Contract]: { [N in keyof PartOf<L, P>]: PartOf<L, P>[N] } }
