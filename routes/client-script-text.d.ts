/** The client as a classic script. Written by scripts/client-script.mjs. */
export const text: string
