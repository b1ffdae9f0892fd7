/** The version of this package, a constant so that a bundle needs no file beside it. `npm version` writes it. */
export const version = '0.2.0'
