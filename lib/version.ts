/** Version of this package: a constant, so bundles need no package.json. Written by `npm version`. */
export const version = '0.2.0'
