import type { JsonObject } from './json-keywords.js'

/** The schemas around a part, innermost first. */
export interface Scope { json: JsonObject, path: string, outer: Scope | null }

/** A part of a JSON Schema, which is not checked yet. */
export interface Site {
  json: unknown
  /** JSON Pointer of the part. */
  path: string
  scope: Scope | null
}

/** Returns a part of a part. */
export function partAt (site: Site, ...names: ReadonlyArray<string | number>): Site {
  return names.reduce<Site>(({ json, path, scope }, name) => ({
    json: (json as Record<string, unknown>)[name],
    path: `${path}/${String(name).replaceAll('~', '~0').replaceAll('/', '~1')}`,
    scope: { json: json as JsonObject, path, outer: scope }
  }), site)
}

/**
 * Finds the schema that `$ref` names: a JSON Pointer into the schema (`#/$defs/Name`), the `$id` of a schema around the reference, or a name
 * among the `$defs` of one, as TypeBox writes it. null: there is none.
 */
export function resolve ($ref: string, scope: Scope): Site | null {
  const [id, fragment = ''] = $ref.split('#', 2) as [string, string?]
  const base = id === '' ? resourceOf(scope) : namedSite(id, scope)
  return base === null || fragment === '' ? base : follow(base, fragment)
}

/** Returns the innermost schema with an `$id`, or the outermost. */
function resourceOf (scope: Scope): Site {
  return scope.outer === null || typeof scope.json.$id === 'string' ? siteOf(scope) : resourceOf(scope.outer)
}

function namedSite (name: string, scope: Scope): Site | null {
  if (scope.json.$id === name) return siteOf(scope)
  for (const key of ['$defs', 'definitions'] as const) {
    const inner = Object.entries(scope.json[key] ?? {}).find(([own, json]) => own === name || (json as JsonObject | null)?.$id === name)
    if (inner !== undefined) return partAt(siteOf(scope), key, inner[0])
  }
  return scope.outer === null ? null : namedSite(name, scope.outer)
}

function siteOf ({ json, path, outer }: Scope): Site {
  return { json, path, scope: outer }
}

/** RFC 6901 section 6. */
function follow (base: Site, fragment: string): Site | null {
  const pointer = decoded(fragment)
  if (pointer?.startsWith('/') !== true) return null
  return pointer.split('/').slice(1).reduce<Site | null>((site, escaped) => {
    const name = escaped.replaceAll('~1', '/').replaceAll('~0', '~')
    return typeof site?.json === 'object' && site.json !== null && Object.hasOwn(site.json, name) ? partAt(site, name) : null
  }, base)
}

function decoded (fragment: string): string | null {
  try {
    return decodeURIComponent(fragment)
  } catch {
    return null
  }
}
