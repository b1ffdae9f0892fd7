import { isIPv6 } from 'node:net'

const IPV4_MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i

/**
 * The key by which addresses are counted: an IPv6 client controls a whole /64 (RFC 6177), so count per /64. null for a socket
 * without an address, such as a Unix domain socket: it may carry many clients, so it is not counted.
 */
export function networkOf (ip: string | undefined): string | null {
  if (ip === undefined || ip === '') return null
  if (!isIPv6(ip)) return ip
  const [, mapped] = IPV4_MAPPED.exec(ip) ?? []
  if (mapped !== undefined) return mapped
  const [left, right] = ip.split('::') as [string, string?]
  const groups = left.split(':')
  if (right !== undefined) while (groups.length + right.split(':').length < 8) groups.push('0')
  return groups.slice(0, 4).join(':')
}
