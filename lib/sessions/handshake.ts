import type { IncomingMessage } from 'node:http'
import { SUBPROTOCOL } from '../../schemas/codes.js'
import { InvalidHandshakeError, UpgradeRequiredError } from '../errors.js'

/** The only version in RFC 6455; `ws` also accepts 8, which was a draft's. */
const VERSION = '13'
/** 16 bytes in base64 (RFC 6455 section 4.1). */
const KEY = /^[+/0-9A-Za-z]{22}==$/
/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^`|~\w]+$/
/** Parameter of an extension; its value is a token, even if quoted (RFC 6455 section 9.1). */
const PARAMETER = /^([!#$%&'*+\-.^`|~\w]+)(?:=(?:([!#$%&'*+\-.^`|~\w]+)|"([!#$%&'*+\-.^`|~\w]+)"))?$/
const DEFLATE = 'permessage-deflate'
const WINDOW_BITS = /^(?:[89]|1[0-5])$/
/** Validators of an offer's parameter values (RFC 7692 section 7.1); undefined: no value. */
const PARAMETERS: Readonly<Record<string, (value: string | undefined) => boolean>> = {
  server_no_context_takeover: (value) => value === undefined,
  client_no_context_takeover: (value) => value === undefined,
  server_max_window_bits: (value) => value !== undefined && WINDOW_BITS.test(value),
  client_max_window_bits: (value) => value === undefined || WINDOW_BITS.test(value)
}

/**
 * Validates the opening handshake (RFC 6455 section 4.2.1) where `ws` is laxer or stricter than the RFCs, and reduces its headers
 * to what `ws` understands: `Upgrade` to websocket, the extensions to acceptable offers.
 *
 * @throws WSM_ERR_UPGRADE_REQUIRED for another version, WSM_ERR_INVALID_HANDSHAKE for any other fault
 */
export function readHandshake (request: IncomingMessage): void {
  const { headers } = request
  if (request.httpVersion !== '1.1') throw new InvalidHandshakeError('HTTP/1.1 is required')
  // Node does not check Host on upgrades. Requests of injectWS() have none.
  if (request.headersDistinct !== undefined && request.headersDistinct.host?.length !== 1) throw new InvalidHandshakeError('exactly one Host header is required')
  if (!listOf(headers.upgrade).some((name) => name.toLowerCase() === 'websocket')) throw new InvalidHandshakeError('the Upgrade header does not name websocket')
  const { 'sec-websocket-version': version, 'sec-websocket-key': key, 'sec-websocket-protocol': protocols, 'sec-websocket-extensions': extensions } = headers
  if (version === undefined) throw new InvalidHandshakeError('Sec-WebSocket-Version is missing')
  // injectWS() passes a number.
  if (String(version) !== VERSION) throw new UpgradeRequiredError('This route requires WebSocket version 13')
  if (key === undefined || !KEY.test(key)) throw new InvalidHandshakeError('Sec-WebSocket-Key must be 16 bytes in base64')
  const offered = protocols?.split(',').map((name) => name.trim()) ?? []
  if (!offered.every((name) => TOKEN.test(name)) || new Set(offered).size < offered.length) {
    throw new InvalidHandshakeError('Sec-WebSocket-Protocol must be a list of distinct names')
  }
  headers.upgrade = 'websocket'
  if (extensions !== undefined) set(headers, 'sec-websocket-extensions', acceptable(extensions))
}

/** Reduces the offered subprotocols to our own, so that neither a host's own selection nor a token is echoed. */
export function offerOnlyOurs ({ headers }: IncomingMessage): void {
  const isOffered = listOf(headers['sec-websocket-protocol']).includes(SUBPROTOCOL)
  set(headers, 'sec-websocket-protocol', isOffered ? SUBPROTOCOL : '')
}

/**
 * Filters the offers of permessage-deflate that a server may accept. It declines the others, and other extensions, and the
 * handshake continues (RFC 7692 section 5.1); a malformed list fails it (RFC 6455 section 9.1).
 *
 * @throws WSM_ERR_INVALID_HANDSHAKE
 */
function acceptable (header: string): string {
  return listOf(header).filter((offer) => {
    const [name, ...parameters] = offer.split(';').map((part) => PARAMETER.exec(part.trim()))
    const isMalformed = name == null || name[0] !== name[1] || parameters.includes(null)
    if (isMalformed) throw new InvalidHandshakeError('Sec-WebSocket-Extensions is malformed')
    const names = new Set<string>()
    return name[0] === DEFLATE && parameters.every((parameter) => {
      const [, key, plain, quoted] = parameter!
      const isRepeated = names.size === names.add(key!).size
      return !isRepeated && Object.hasOwn(PARAMETERS, key!) && PARAMETERS[key!]!(plain ?? quoted)
    })
  }).join(', ')
}

/** RFC 9110 section 5.6.1: empty elements are ignored. */
function listOf (header = ''): string[] {
  return header.split(',').map((element) => element.trim()).filter((element) => element !== '')
}

function set (headers: IncomingMessage['headers'], name: 'sec-websocket-protocol' | 'sec-websocket-extensions', value: string): void {
  if (value === '') delete headers[name]
  else headers[name] = value
}
