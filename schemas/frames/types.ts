import { APP_NAME } from '../fields.js'
import { clientFrames } from './client.js'
import { serverFrames, type ServerFrameType } from './server.js'

/** Types that only the server sends. No client and no handler can use them. */
export const serverFrameTypes = Object.keys(serverFrames) as ServerFrameType[]

/** Types of the protocol, in either direction: no app can send or handle messages of these types. */
export const isProtocolType = (type: string): boolean => Object.hasOwn(clientFrames, type) || Object.hasOwn(serverFrames, type)

/** An app's own types are namespaced, `<plugin>.<event>` (row F7). */
export const APP_TYPE_PATTERN = new RegExp(APP_NAME)
