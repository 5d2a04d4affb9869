import { isObject, parseIfJson } from "../../spec/json.ts";
import { authorization, loginOf, TOKEN_USER } from "../credentials.ts";
import { AuthError, type RequestTask } from "../errors.ts";
import type { ImagePullAuth } from "../image_client.ts";
import type { Clock } from "../remote_client_options.ts";
import { readBoundedBody } from "../transport/bounded_body.ts";
import type { Http } from "../transport/http.ts";
import type { HttpRequest, Tls } from "../transport/http_request.ts";
import type { HttpResponse } from "../transport/http_response.ts";
import { isPrivateAddress, privateAddressOption } from "../transport/private_address.ts";
import { redactUrl } from "../transport/redact.ts";
import { followRedirects } from "../transport/redirect.ts";
import { describeResponse, registryError } from "../transport/registry_error.ts";

const MAX_TOKEN_BYTES = 64 * 1024;
const DEFAULT_LIFETIME_S = 60;
const REFRESH_AT = 0.8;
const CLIENT_ID = "oci";

/** The registry that names a token server. */
export interface TokenServerOwner {
  /** Name of the registry in messages. */
  readonly registry: string;
  /** An address of the registry. */
  readonly url: URL;
  /** Whether the registry uses plain HTTP, which allows its token server to do so. */
  readonly isPlain: boolean;
  /** Whether the token server may have a private address, because the registry has one. */
  readonly allowPrivate: boolean;
}

/**
 * Parses the address of a token server in the `realm` of a challenge. The address is untrusted, and
 * receives a credential.
 *
 * @throws {AuthError} If the address must not receive a credential.
 */
export function tokenServer(
  realm: string | undefined,
  { registry, url: base, isPlain, allowPrivate }: TokenServerOwner,
  task: RequestTask,
): URL {
  const fail = (state: string, option?: "allowPrivateAddresses"): never => {
    throw new AuthError(
      `${registry} refers to an unsafe token server: ${state}`,
      {
        ...task,
        // Another credential would not help.
        code: "response",
        status: 401,
        registry,
        url: realm === undefined ? "" : redactUrl(realm),
        option,
        advice: "Report it to the operator of the registry",
      },
    );
  };
  // A realm should be absolute, but some registries send a path, which other clients resolve.
  const url = URL.parse(realm ?? "", realm?.startsWith("/") ? base : undefined);
  if (url === null) return fail("its address is not a URL");
  if (url.username !== "" || url.password !== "") fail("its address contains a password");
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isPlain)) {
    fail("it does not use https");
  }
  if (isPrivateAddress(url) && !allowPrivate) {
    fail(`${url.hostname} is in a private network`, privateAddressOption(url));
  }
  return url;
}

/** Response of a token server that rejects the credential, or anonymous access. */
export interface TokenRefusal {
  /** Its status, code and message. */
  readonly refusal: string;
}

/** Parameters of a token request. */
export interface TokenRequest {
  readonly realm: URL;
  readonly service: string | undefined;
  readonly scopes: readonly string[];
  /** Credential, or `undefined` for an anonymous token. */
  readonly auth: ImagePullAuth | undefined;
  readonly tls: Tls;
  /** Host of the registry that requires this server; `undefined` if it does not use TLS. */
  readonly namedBy: string | undefined;
  /** Whether the server may redirect into a private network. */
  readonly allowPrivate: boolean;
  readonly registry: string;
  /** Name of the token server for the user. */
  readonly server: string;
  readonly task: RequestTask;
  readonly attempt: number;
  readonly signal?: AbortSignal | undefined;
}

/** A bearer token. */
export interface Token {
  readonly token: string;
  /** Time of the clock at which to refresh the token: at 80% of its lifetime. */
  readonly refreshAt: number;
  /** Identity token that replaces the one in the request, if any. */
  readonly identityToken: string | undefined;
}

/**
 * Requests a token: by `POST` for an identity token (OAuth2), by `GET` with a user and password, or
 * anonymously.
 *
 * @returns The token, or the refusal if the server rejects the credential or anonymous access.
 */
export async function requestToken(
  http: Http,
  clock: Clock,
  request: TokenRequest,
): Promise<Token | TokenRefusal> {
  const { auth } = request;
  using response = await sendTokenRequest(http, request);
  const isRefusal = response.status === 401 || response.status === 403 ||
    (auth !== undefined && (response.status === 400 || response.status === 404));
  if (isRefusal) return { refusal: describeResponse(await registryError(response, request)) };
  if (response.status < 200 || response.status > 299) throw await registryError(response, request);
  const bytes = await readBoundedBody(response, MAX_TOKEN_BYTES, { limit: "token bytes" });
  const token = parseToken(bytes, clock.now());
  if (token !== undefined) return token;
  if (response.isWebPage(bytes.length)) throw response.webPageError();
  const { url } = response;
  throw response.error(`the response of the token server at ${redactUrl(url)} contains no token`);
}

async function sendTokenRequest(http: Http, request: TokenRequest): Promise<HttpResponse> {
  const { auth } = request;
  if (auth?.identityToken === undefined) {
    return await send(http, getRequest(request, auth), request);
  }
  const response = await send(http, postRequest(request, auth.identityToken), request);
  if (response.status !== 404 && response.status !== 405) return response;
  response[Symbol.dispose]();
  // Servers without OAuth2 accept the identity token as a password.
  const login = loginOf(auth) === undefined ? { ...auth, username: TOKEN_USER } : auth;
  return await send(http, getRequest(request, login), request);
}

/** Sends a request and follows redirects; only the token server receives the credential. */
async function send(
  http: Http,
  request: HttpRequest,
  options: TokenRequest,
): Promise<HttpResponse> {
  const { allowPrivate } = options;
  const { task, attempt, signal, tls, server } = request;
  const anonymous = { method: "GET", task, attempt, signal, server } as const;
  return await followRedirects(await http.send(request), allowPrivate, (url) => {
    const isThere = url.origin === request.url.origin;
    const trust = { caCerts: tls.caCerts };
    return http.send(isThere ? { ...request, url } : { ...anonymous, tls: trust, url });
  });
}

function getRequest(request: TokenRequest, auth: ImagePullAuth | undefined): HttpRequest {
  const url = new URL(request.realm);
  if (request.service !== undefined) url.searchParams.set("service", request.service);
  for (const scope of request.scopes) url.searchParams.append("scope", scope);
  const login = auth && loginOf(auth);
  if (login !== undefined) url.searchParams.set("account", login.username);
  const header = auth && authorization(auth);
  return {
    ...common(request),
    url,
    method: "GET",
    headers: header === undefined ? {} : { authorization: header },
  };
}

function postRequest(request: TokenRequest, identityToken: string): HttpRequest {
  const form = new URLSearchParams({
    "grant_type": "refresh_token",
    "refresh_token": identityToken,
    "client_id": CLIENT_ID,
    "scope": request.scopes.join(" "),
  });
  if (request.service !== undefined) form.set("service", request.service);
  return {
    ...common(request),
    url: request.realm,
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded;charset=UTF-8" },
    body: new TextEncoder().encode(String(form)),
  };
}

function common({ tls, namedBy, task, attempt, server, signal }: TokenRequest) {
  return { tls, namedBy, task, attempt, server, signal };
}

function parseToken(bytes: Uint8Array, now: number): Token | undefined {
  const body = parseIfJson(new TextDecoder().decode(bytes));
  const members = isObject(body) ? body : {};
  const { token, access_token: accessToken, expires_in: expiresIn } = members;
  const value = [token, accessToken].find((text) => typeof text === "string" && text !== "");
  if (!isToken(value)) return undefined;
  const seconds = typeof expiresIn === "number" && expiresIn > 0 ? expiresIn : DEFAULT_LIFETIME_S;
  const { refresh_token: next } = members;
  const identityToken = isToken(next) ? next : undefined;
  return { token: value, refreshAt: now + seconds * 1000 * REFRESH_AT, identityToken };
}

function isToken(value: unknown): value is string {
  return typeof value === "string" && /^[\x21-\x7e]+$/.test(value);
}
