import { contractFault } from './fault.js'
import type { Checked, Whole } from './checked.js'
import type { Contract, ContractParts } from './parts.js'

export type { CallContract, ChannelContract, ConfirmationContract, Contract, ContractParts } from './parts.js'

const PARTS = ['messages', 'calls', 'confirmations', 'channels'] as const

/**
 * Defines what a server and its clients say to each other: one value for the option `contract`, the types of `fastify.ws`, the client
 * and the documents. It is checked when the plugin is registered.
 */
export function defineContract<const C extends ContractParts> (contract: C & Checked<C>): Whole<C> {
  return mergeContracts(contract as C) as unknown as Whole<C>
}

/**
 * Merges the contracts of several files or plugins.
 *
 * @throws WSM_ERR_INVALID_CONTRACT if two of them define the same name
 */
export function mergeContracts<const L extends readonly ContractParts[]> (...contracts: L): Merged<L> {
  const merged = Object.fromEntries(PARTS.map((part) => [part, mergePart(part, contracts)]))
  return merged as unknown as Merged<L>
}

function mergePart (part: typeof PARTS[number], contracts: readonly ContractParts[]): object {
  const merged: Record<string, unknown> = {}
  for (const contract of contracts) {
    for (const [name, value] of Object.entries<unknown>(contract[part] ?? {})) {
      if (Object.hasOwn(merged, name) && merged[name] !== value) throw contractFault(part, name, 'two parts of the contract define it')
      merged[name] = value
    }
  }
  return merged
}

type Intersected<U> = (U extends unknown ? (part: U) => void : never) extends (part: infer I) => void ? I : never
type PartOf<L extends readonly ContractParts[], P extends keyof Contract> = Intersected<{ [I in keyof L]: Whole<L[I]>[P] }[number]>
/** The contract that several make together. */
export type Merged<L extends readonly ContractParts[]> = { [P in keyof Contract]: { [N in keyof PartOf<L, P>]: PartOf<L, P>[N] } }
