import type { JSONWebKeySet } from 'jose'
import type { IssuerRequest } from './issuer-metadata.ts'
import { fetchIssuerMetadata, fetchJson } from './issuer-metadata.ts'

/** Where an issuer's keys are. */
export interface IssuerKeysSource extends IssuerRequest {
  /** From the issuer's discovery document if absent. */
  jwksUrl?: string | undefined
}

/**
 * Fetches the key set of an issuer.
 * @throws Error with a fixed message, which says nothing of what was received
 * @see https://www.rfc-editor.org/rfc/rfc7517#section-5
 */
export async function fetchIssuerKeys(source: IssuerKeysSource): Promise<JSONWebKeySet> {
  const { keys } = await fetchJson(
    source.jwksUrl ?? (await fetchIssuerMetadata(source)).jwksUrl,
    source,
  )
  if (!Array.isArray(keys)) throw new Error('the key set has no keys')
  return { keys }
}
