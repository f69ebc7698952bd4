/**
 * Replaces all references in a part of a contract. No reference may be circular.
 * @param contract that the references point into
 */
export function resolveReferences(part: unknown, contract: unknown): object {
  if (typeof part !== 'object' || part === null) return part as object
  if ('$ref' in part) {
    const keys = String(part.$ref).split('/').slice(1)
    const target = keys.reduce((at, key) => (at as Record<string, unknown>)[key], contract)
    return resolveReferences(target, contract)
  }
  if (Array.isArray(part)) return part.map((item) => resolveReferences(item, contract))
  return Object.fromEntries(
    Object.entries(part).map(([key, value]) => [key, resolveReferences(value, contract)]),
  )
}
