import { CALLER_CLIENT, CALLER_SCOPE } from './identity-provider.ts'
import type { Simulator } from './start-simulator.ts'

/** Requests an access token for the service, with the client credentials of a caller. */
export async function callerToken({
  issuer,
  identityProvider,
}: Pick<Simulator, 'issuer' | 'identityProvider'>): Promise<string> {
  const response = await fetch(`${issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: CALLER_CLIENT,
      client_secret: identityProvider.clientSecret,
      scope: CALLER_SCOPE,
    }),
  })
  const { access_token: token } = (await response.json()) as { access_token: string }
  return token
}
