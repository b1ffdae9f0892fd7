/**
 * Declares what an app is like, for the types alone. The app adds to it by module augmentation:
 *
 *     declare module 'fastify-ws-manager' { interface Register { anonymous: true } }
 *
 * `anonymous: true` belongs to the option `auth.anonymous`: it makes `user` nullable in handlers, hooks and events.
 */
export interface Register {}
