import { IssuerMismatchError } from '../auth/issuer-mismatch.ts'
import { TokenResponseError } from '../auth/service/token-request-failure.ts'
import { RequestFailure } from '../http/request-failure.ts'
import { PROBLEM_TYPES, type ProblemCode } from '../problems/problem-types.ts'

const UNKNOWN_HOST =
  'DNS does not know this host. Check how it is written, and whether a proxy must be used.'
const NO_ANSWER =
  'Nothing answers there. Check host and port, the firewall, and whether a proxy must be used.'
const CONNECTION_CUT =
  'The connection was cut. Check whether the port expects https:, and what a firewall or proxy in between does.'
const UNTRUSTED_CERTIFICATE =
  'This machine does not trust the certificate. Set NODE_EXTRA_CA_CERTS to a PEM file with the certificate authority of the server, or of the proxy in between.'

const PROXY =
  'The outbound proxy does not answer, or refuses. Check HTTPS_PROXY and HTTP_PROXY with user name and password, NO_PROXY, and whether the proxy allows this host.'

/** By the error code of a connection. */
const CONNECTION_HINTS: Readonly<Record<string, string>> = {
  ENOTFOUND: UNKNOWN_HOST,
  EAI_AGAIN: UNKNOWN_HOST,
  ECONNREFUSED: NO_ANSWER,
  ETIMEDOUT: NO_ANSWER,
  EHOSTUNREACH: NO_ANSWER,
  ENETUNREACH: NO_ANSWER,
  UND_ERR_CONNECT_TIMEOUT: NO_ANSWER,
  TimeoutError: NO_ANSWER,
  timeout: NO_ANSWER,
  deadline: NO_ANSWER,
  ECONNRESET: CONNECTION_CUT,
  EPROTO: CONNECTION_CUT,
  UND_ERR_SOCKET: CONNECTION_CUT,
  ERR_SSL_WRONG_VERSION_NUMBER: CONNECTION_CUT,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: CONNECTION_CUT,
  CERT_HAS_EXPIRED:
    'The certificate of the server has expired. Check the clock of this machine too.',
  CERT_NOT_YET_VALID: 'The certificate of the server is not valid yet. Check the clock.',
  ERR_TLS_CERT_ALTNAME_INVALID: 'The certificate is for another host. Check the URL.',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED_CERTIFICATE,
  UNABLE_TO_GET_ISSUER_CERT: UNTRUSTED_CERTIFICATE,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED_CERTIFICATE,
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED_CERTIFICATE,
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED_CERTIFICATE,
  ProxyError: PROXY,
}

const CHECK_SCOPES =
  'Check IDP_SCOPES, or CDF_CLUSTER if IDP_SCOPES is not set: Entra ID expects https://{cluster}.cognitedata.com/.default.'

/**
 * By the number of Entra ID.
 * @see https://learn.microsoft.com/entra/identity-platform/reference-error-codes
 */
const ENTRA_HINTS: Readonly<Record<string, string>> = {
  AADSTS7000215:
    'The secret is wrong. Use the value of the secret, not its id, and a secret of this IDP_CLIENT_ID.',
  AADSTS7000222: 'The secret has expired. Create a new one in Entra ID.',
  AADSTS700016: 'The tenant has no such application. Check IDP_CLIENT_ID and IDP_TENANT_ID.',
  AADSTS7000112: 'The application is disabled in Entra ID.',
  AADSTS90002: 'There is no such tenant. Check IDP_TENANT_ID, and whether it is in another cloud.',
  AADSTS500011: `The tenant does not know what the token is for. ${CHECK_SCOPES}`,
  AADSTS70011: `The scope is invalid. ${CHECK_SCOPES}`,
  AADSTS1002012: `The scope is invalid. ${CHECK_SCOPES}`,
  AADSTS700027:
    'Entra ID does not accept the signature. Upload the certificate of IDP_CLIENT_KEY_FILE, and check whether it has expired.',
  AADSTS7000218: 'Entra ID got no secret. Check IDP_CLIENT_AUTH_METHOD and the secret.',
  AADSTS53003: 'Conditional Access blocks the client. Ask the administrator of the tenant.',
}

/** By the error code of RFC 6749 §5.2. */
const OAUTH_HINTS: Readonly<Record<string, string>> = {
  invalid_client:
    'Check IDP_CLIENT_ID, IDP_CLIENT_AUTH_METHOD, and the secret or key. A secret of Entra ID expires.',
  unauthorized_client:
    'The client may not use the client credentials grant, or does not exist. Check IDP_CLIENT_ID.',
  access_denied:
    'The client has no permission for this audience. Check IDP_AUDIENCE and IDP_SCOPES.',
  invalid_scope: CHECK_SCOPES,
  invalid_target: 'Check IDP_AUDIENCE and IDP_SCOPES.',
  invalid_request: 'Check IDP_TOKEN_URL, IDP_SCOPES and IDP_AUDIENCE.',
  unsupported_grant_type: 'Check IDP_TOKEN_URL: it has no client credentials grant.',
}

const WRONG_MODE =
  'The cluster is incomplete, or REDIS_MODE does not fit the server. Check both, the database in REDIS_URL, and whether Redis is older than version 7.'

const NO_REDIS =
  'Nothing answers there, or not with TLS. Check REDIS_URL (redis: or rediss:) and the firewall.'
const SLOW_REDIS =
  'Redis does not answer in time. Check REDIS_URL and the firewall, or raise REDIS_TIMEOUT_MS.'
const REDIS_CLOSED = 'Redis has closed the connection. Check whether it expects redis: or rediss:.'
const REDIS_RESTARTS = 'Redis restarts or fails over. Try again.'

/** By the kind of an error of Redis, or the name of an error of its client. */
const REDIS_HINTS: Readonly<Record<string, string>> = {
  CLUSTERDOWN: WRONG_MODE,
  CROSSSLOT: WRONG_MODE,
  ERR: WRONG_MODE,
  TypeError: WRONG_MODE,
  Error: 'This is no Redis. Check host and port in REDIS_URL.',
  NOREPLICAS: 'Redis has fewer replicas of its own than min-replicas-to-write demands.',
  UNKNOWN_PRIMARY: 'The sentinels do not know REDIS_SENTINEL_NAME.',
  WRONGPASS: 'Check user and password in REDIS_URL, or REDIS_PASSWORD_FILE.',
  NOAUTH: 'Redis needs a password. Set it in REDIS_URL or REDIS_PASSWORD_FILE.',
  NOPERM: 'The user lacks a right. docs/deployment.md lists the rights that it needs.',
  OOM: 'Redis is full. Give it more memory, or set maxmemory-policy allkeys-lru.',
  READONLY: 'This is a replica of Redis. Use its primary, or REDIS_MODE=sentinel.',
  CredentialFileError:
    'REDIS_PASSWORD_FILE cannot be used. docs/configuration.md says what it must hold.',
  ECONNREFUSED: NO_REDIS,
  ENOTFOUND: NO_REDIS,
  EAI_AGAIN: NO_REDIS,
  EHOSTUNREACH: NO_REDIS,
  ENETUNREACH: NO_REDIS,
  ConnectionTimeoutError: NO_REDIS,
  ETIMEDOUT: SLOW_REDIS,
  SocketTimeoutError: SLOW_REDIS,
  ECONNRESET: REDIS_CLOSED,
  SocketClosedUnexpectedlyError: REDIS_CLOSED,
  LOADING: REDIS_RESTARTS,
  MASTERDOWN: REDIS_RESTARTS,
}

/** What the operator can do about a failure of Redis; `undefined` for an unknown reason. */
export function redisHint(reason: string): string | undefined {
  return Object.hasOwn(REDIS_HINTS, reason) ? REDIS_HINTS[reason] : connectionHint(reason)
}

/**
 * What the operator can do about a failure: as specific as its cause allows, else the text of the problem type.
 * @param cause of the problem
 */
export function hintFor(code: ProblemCode, cause: unknown): string {
  const hint =
    cause instanceof RequestFailure
      ? connectionHint(cause.code)
      : cause instanceof TokenResponseError
        ? (ENTRA_HINTS[cause.entraError ?? ''] ?? OAUTH_HINTS[cause.oauthError ?? ''])
        : cause instanceof IssuerMismatchError
          ? 'If the other issuer is the right one, configure it. Else the URL leads to another server.'
          : undefined
  return hint ?? PROBLEM_TYPES[code].forOperator
}

/** What the operator can do about a failed connection; `undefined` for an unknown code. */
export function connectionHint(code: string): string | undefined {
  return Object.hasOwn(CONNECTION_HINTS, code) ? CONNECTION_HINTS[code] : undefined
}
