import { Type, type Static, type TObject, type TProperties, type TSchema } from '@sinclair/typebox'

/** Values of a folder's options, with defaults applied. */
export type OptionsOf<P extends TProperties> = Static<TObject<P>>

export const count = (value: number, description: string) =>
  Type.Integer({ minimum: 1, maximum: 10_000_000, default: value, description })
export const milliseconds = (value: number, description: string) =>
  Type.Integer({ minimum: 1, maximum: 2_147_483_647, default: value, description: `${description}, milliseconds` })
/** A rate limit that can be switched off. */
export const rate = (value: number, description: string) =>
  Type.Integer({ minimum: 0, maximum: 10_000_000, default: value, description: `${description}; 0: no limit` })
/** A group of options; missing ones take their defaults. */
export const group = <T extends Record<string, TSchema>>(properties: T, description: string) =>
  Type.Object(properties, { additionalProperties: false, default: {}, description })
/** A function of the app. */
export const hook = <T>(description: string) =>
  Type.Optional(Type.Unsafe<T>(Type.Function([], Type.Unknown(), { description })))
