/** The client as a classic script. Written by scripts/client-bundles.mjs. */
export const text: string
