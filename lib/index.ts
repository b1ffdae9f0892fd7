import { wsPlugin } from './plugin.js'

export default wsPlugin
// The last name makes `require('fastify-ws-manager')` answer the plugin itself.
export { wsPlugin, wsPlugin as 'module.exports' }
export type { ClientGuard, WsManager } from './manager.js'
export type { WsPluginOptions } from './options.js'
export { listenOptionsFromEnv, optionsFromEnv } from './options-from-env.js'
export { closeCodes, type CloseCode } from './close-codes.js'
export * as errors from './errors.js'
export { AppError, type AppErrorOptions } from './app-error.js'
export type { EndpointRule } from './auth/admission.js'
export type { AuthenticatedUser } from './auth/hook-authenticator.js'
export type { JoinDecision, RestAction, SendTarget } from './auth/permissions.js'
export type { RevocationTarget } from './auth/revocations.js'
export type { User } from './auth/user.js'
export type { ListOptions } from './confirmations/list.js'
export type { AskOptions, StepResult, UserConfirmation } from './confirmations/question.js'
export type { Client, ConnectionEnd } from './connection/client.js'
export type { EngineFactory } from './engine/engine.js'
export type { EventName, Events, Listener } from './events.js'
export type { HandlerContext } from './protocol/handler-context.js'
export type { Handler, HandlerMessage, HandlerOptions, HandlerReply } from './protocol/handlers.js'
export type { StartOptions, TaskListOptions } from './tasks/tasks.js'
export type { TaskHeartbeatOptions } from './tasks/task-heartbeats.js'
export type { ClientSendOptions } from './topics/publisher.js'
export type { StreamPosition } from '../schemas/fields.js'
export type { AckOptions, ClientDeliveryReport, DeliveryReport, Message, SendOptions } from '../schemas/messages.js'
export type {
  Answer, AnsweredBy, ClusterStatus, ConfirmationRecord, Health, Outcome, PresenceList, Ready, Status, StreamHistory, TaskRecord
} from '../schemas/records.js'
export type { ConfirmationsPage, RevocationReport, TasksHere, TasksPage } from '../schemas/rest.js'
export { SUBPROTOCOL } from '../schemas/frames.js'
export { errorCodes, type ErrorCode } from '../schemas/error-codes.js'
