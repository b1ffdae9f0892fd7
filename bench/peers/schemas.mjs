import { Type } from '@sinclair/typebox'

/** The fields of every message that is published. */
export const Fields = Type.Object({
  seq: Type.Integer({ minimum: 0 }),
  at: Type.Integer({ minimum: 0 }),
  text: Type.Optional(Type.String({ maxLength: 20_000 })),
  level: Type.Optional(Type.Union([Type.Literal('info'), Type.Literal('error')])),
  rows: Type.Optional(Type.Array(Type.Object({
    order: Type.Integer(),
    city: Type.String(),
    price: Type.Number(),
    state: Type.String()
  })))
})

/** The fields of a request, and of its reply. */
export const Request = Type.Object({ text: Type.String({ maxLength: 500 }) })
export const Reply = Type.Object({ text: Type.String() })
