/**
 * Declares what an app is like, for the types alone. The app adds to it by module augmentation:
 *
 *     declare module 'fastify-ws-manager' { interface Register { anonymous: true } }
 *
 * `anonymous: true` belongs to the option `auth.anonymous`: it makes `user` nullable in handlers, hooks and events.
 * `contract: typeof contract` belongs to the option `contract`: it types the messages, calls and questions of `fastify.ws`.
 */
export interface Register {}
