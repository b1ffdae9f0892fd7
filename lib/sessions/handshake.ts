import type { IncomingMessage } from 'node:http'
import { SUBPROTOCOL } from '../../schemas/codes.js'
import { InvalidHandshakeError, UpgradeRequiredError } from '../errors.js'

/** The only version of RFC 6455; 8 was a draft's, which `ws` takes too. */
const VERSION = '13'
/** 16 bytes in base64 (RFC 6455 section 4.1). */
const KEY = /^[+/0-9A-Za-z]{22}==$/
/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^`|~\w]+$/
/** A parameter of an extension: its value is a token, also where it is quoted (RFC 6455 section 9.1). */
const PARAMETER = /^([!#$%&'*+\-.^`|~\w]+)(?:=(?:([!#$%&'*+\-.^`|~\w]+)|"([!#$%&'*+\-.^`|~\w]+)"))?$/
const DEFLATE = 'permessage-deflate'
const WINDOW_BITS = /^(?:[89]|1[0-5])$/
/** Checks of the values of an offer's parameters (RFC 7692 section 7.1); undefined: without a value. */
const PARAMETERS: Readonly<Record<string, (value: string | undefined) => boolean>> = {
  server_no_context_takeover: (value) => value === undefined,
  client_no_context_takeover: (value) => value === undefined,
  server_max_window_bits: (value) => value !== undefined && WINDOW_BITS.test(value),
  client_max_window_bits: (value) => value === undefined || WINDOW_BITS.test(value)
}

/**
 * Checks the opening handshake of a socket (RFC 6455 section 4.2.1) where `ws` is laxer or stricter than the RFCs, and leaves
 * in its headers what `ws` understands: of a list in `Upgrade` the WebSocket, of the extensions the offers that can be accepted.
 *
 * @throws WSM_ERR_UPGRADE_REQUIRED for another version, WSM_ERR_INVALID_HANDSHAKE for any other fault
 */
export function readHandshake (request: IncomingMessage): void {
  const { headers } = request
  if (request.httpVersion !== '1.1') throw new InvalidHandshakeError('it needs HTTP/1.1')
  // For upgrades Node looks for no Host. What comes by injectWS() has none.
  if (request.headersDistinct !== undefined && request.headersDistinct.host?.length !== 1) throw new InvalidHandshakeError('it needs one Host')
  if (!listOf(headers.upgrade).some((name) => name.toLowerCase() === 'websocket')) throw new InvalidHandshakeError('its Upgrade names no websocket')
  const { 'sec-websocket-version': version, 'sec-websocket-key': key, 'sec-websocket-protocol': protocols, 'sec-websocket-extensions': extensions } = headers
  if (version === undefined) throw new InvalidHandshakeError('it has no Sec-WebSocket-Version')
  // A number where it comes by injectWS().
  if (String(version) !== VERSION) throw new UpgradeRequiredError('This route speaks version 13 of WebSocket')
  if (key === undefined || !KEY.test(key)) throw new InvalidHandshakeError('its Sec-WebSocket-Key is not 16 bytes in base64')
  const offered = protocols?.split(',').map((name) => name.trim()) ?? []
  if (!offered.every((name) => TOKEN.test(name)) || new Set(offered).size < offered.length) {
    throw new InvalidHandshakeError('its Sec-WebSocket-Protocol is not a list of different names')
  }
  headers.upgrade = 'websocket'
  if (extensions !== undefined) set(headers, 'sec-websocket-extensions', acceptable(extensions))
}

/** Leaves only our own subprotocol to be selected, also by a host's own choice, and no token. */
export function offerOnlyOurs ({ headers }: IncomingMessage): void {
  const isOffered = listOf(headers['sec-websocket-protocol']).includes(SUBPROTOCOL)
  set(headers, 'sec-websocket-protocol', isOffered ? SUBPROTOCOL : '')
}

/**
 * The offers of permessage-deflate that a server may accept. It declines the others, and other extensions, and the handshake goes on
 * (RFC 7692 section 5.1); where the list is malformed, it must not (RFC 6455 section 9.1).
 *
 * @throws WSM_ERR_INVALID_HANDSHAKE
 */
function acceptable (header: string): string {
  return listOf(header).filter((offer) => {
    const [name, ...parameters] = offer.split(';').map((part) => PARAMETER.exec(part.trim()))
    const isMalformed = name == null || name[0] !== name[1] || parameters.includes(null)
    if (isMalformed) throw new InvalidHandshakeError('its Sec-WebSocket-Extensions is malformed')
    const names = new Set<string>()
    return name[0] === DEFLATE && parameters.every((parameter) => {
      const [, key, plain, quoted] = parameter!
      const isRepeated = names.size === names.add(key!).size
      return !isRepeated && Object.hasOwn(PARAMETERS, key!) && PARAMETERS[key!]!(plain ?? quoted)
    })
  }).join(', ')
}

/** RFC 9110 section 5.6.1: empty elements do not count. */
function listOf (header = ''): string[] {
  return header.split(',').map((element) => element.trim()).filter((element) => element !== '')
}

function set (headers: IncomingMessage['headers'], name: 'sec-websocket-protocol' | 'sec-websocket-extensions', value: string): void {
  if (value === '') delete headers[name]
  else headers[name] = value
}
