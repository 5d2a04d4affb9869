import { authorization, type Credential } from "../credentials.ts";
import { AuthError, type RequestTask } from "../errors.ts";
import type { ImagePullAuth } from "../image_client.ts";
import type { Clock } from "../remote_client_options.ts";
import { SharedTasks } from "../tasks/shared_task.ts";
import { BoundedMap } from "../transport/bounded_map.ts";
import type { Http } from "../transport/http.ts";
import type { Tls } from "../transport/http_request.ts";
import type { HttpResponse } from "../transport/http_response.ts";
import {
  type Challenge,
  chooseChallenge,
  describeUnanswerable,
  wantsMoreScope,
  withoutRepositories,
} from "./_challenge.ts";
import { IdentityTokens } from "./_identity_tokens.ts";
import {
  isDenied,
  isFinalDenial,
  isSameServer,
  mayHideContent,
  requiresLogin,
  scopesToRequest,
} from "./_login_rules.ts";
import type { Token, TokenRefusal, TokenServerOwner } from "./_token.ts";
import { LoginAttempts } from "./login_attempts.ts";

/**
 * Time after which a credential is looked up again if none was found, or if the server has
 * rejected it: a program may run for months.
 */
const RETRY_MS = 60_000;

/** Maximum number of scopes whose tokens and attempts are kept: there is one for each repository. */
const MAX_SCOPES = 1_000;

/** Options for {@linkcode Authorizer}. */
export interface AuthorizerOptions extends TokenServerOwner {
  readonly http: Http;
  readonly clock: Clock;
  readonly tls: Tls;
  /**
   * Whether to fall back to anonymous access if the server rejects a credential.
   *
   * @default {true}
   */
  readonly allowAnonymous?: boolean | undefined;
  /** Finds the credential for a repository; absent for anonymous access only. */
  readonly find?:
    | ((
      request: AuthorizedRequest,
      onSkipped: (message: string) => void,
    ) => Promise<Credential | undefined>)
    | undefined;
  /**
   * Whether the server is the target of redirects, where repositories may have other names.
   *
   * @default {false}
   */
  readonly isRedirectTarget?: boolean | undefined;
  /** Sends an unauthenticated request to get a challenge. */
  readonly ping?: ((request: AuthorizedRequest) => Promise<HttpResponse>) | undefined;
}

/** A request to authorize. */
export interface AuthorizedRequest {
  /** Name of the repository in the registry. */
  readonly repository: string;
  readonly scope: string;
  readonly task: RequestTask;
  readonly attempt: number;
  readonly signal?: AbortSignal | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** Authorization for requests of one scope. */
interface Grant {
  readonly header: string;
  /** Credential of the grant; `undefined` if anonymous. */
  readonly credential: Credential | undefined;
  /** Challenge of the server, for the next token. */
  readonly challenge: Challenge;
  readonly refreshAt: number;
}

/** Sends a request with an `Authorization` header, if any. */
type Send = (header: string | undefined) => Promise<HttpResponse>;

/**
 * Authenticates requests to one server: by Basic, or by tokens with and without a credential. After
 * a rejected credential, it tries anonymous access once, because the image may be public.
 */
export class Authorizer {
  readonly #options: AuthorizerOptions;
  readonly #grants = new BoundedMap<string, Grant>(MAX_SCOPES);
  readonly #attempts = new BoundedMap<string, LoginAttempts>(MAX_SCOPES);
  readonly #tokenRequests = new SharedTasks<Token | TokenRefusal>();
  readonly #identityTokens = new IdentityTokens();
  /** Last challenge, for responses without one. */
  #challenge: Challenge | undefined;
  #isPinged = false;

  constructor(options: AuthorizerOptions) {
    this.#options = options;
  }

  /**
   * Sends a request, and repeats it with an `Authorization` header if the server requires one.
   *
   * @returns The last response, which may still be a rejection.
   */
  async authorize(request: AuthorizedRequest, send: Send): Promise<HttpResponse> {
    const responses: HttpResponse[] = [];
    let chosen: HttpResponse | undefined;
    try {
      return chosen = await this.#negotiate(request, async (header) => {
        const response = await send(header);
        responses.push(response);
        return response;
      });
    } finally {
      for (const response of responses) if (response !== chosen) response[Symbol.dispose]();
    }
  }

  /** Sends a request with the last grant, if any; then as the user; then anonymously. */
  async #negotiate(request: AuthorizedRequest, send: Send): Promise<HttpResponse> {
    const known = await this.#currentGrant(request);
    const first = await send(known?.header);
    if (!await this.#needsLogin(request, first, known)) return first;

    const isNeeded = requiresLogin(first, known !== undefined);
    const own = await this.#userGrant(request, first).catch((error) => {
      return this.#continueAnonymously(request, error, isNeeded);
    });
    if (own === "forgone") return first;
    const user = own && await this.#repeat(request, first, own, send);
    if (user !== undefined && !isDenied(user, own?.credential)) return user;
    const { allowAnonymous = true } = this.#options;
    if (!allowAnonymous || (user && isFinalDenial(user, request.scope))) return user ?? first;
    // Without the credential, the server has already given its response.
    if (user === undefined && !isNeeded) return first;
    if (user !== undefined && first.status === 200) {
      this.#reject(request, own?.credential, user.status);
      user[Symbol.dispose]();
      return await send(undefined);
    }

    const anonymous = await this.#anonymousGrant(request, user ?? first);
    const guest = anonymous && await this.#repeat(request, first, anonymous, send);
    // The response to the user says more than the one to an anonymous client.
    if (guest === undefined || isDenied(guest, undefined)) return user ?? guest ?? first;
    this.#reject(request, own?.credential, user?.status);
    return guest;
  }

  /** Returns whether a login may change the response to a request. */
  async #needsLogin(
    request: AuthorizedRequest,
    response: HttpResponse,
    known: Grant | undefined,
  ): Promise<boolean> {
    if (requiresLogin(response, known !== undefined)) return true;
    if (known !== undefined || !mayHideContent(response, request.repository)) return false;
    if (await this.#findCredential(request) === undefined) return false;
    // `/v2/` itself hides nothing. Zot accepts anonymous requests for it, but sends a challenge.
    const isPing = response.status === 200 && request.scope === "";
    const challenge = isPing
      ? this.#readChallenge(response)
      : await this.#findChallenge(request, response);
    return challenge !== undefined;
  }

  /** Repeats a request with a grant, and once more if its token lacks a scope. */
  async #repeat(
    request: AuthorizedRequest,
    first: HttpResponse,
    grant: Grant,
    send: Send,
  ): Promise<HttpResponse> {
    first[Symbol.dispose]();
    let response = await send(grant.header);
    let used = grant;
    if (wantsMoreScope(response)) {
      const challenge = this.#readChallenge(response) ?? grant.challenge;
      const wider = await this.#createGrant(request, challenge, grant.credential);
      if (wider !== undefined) {
        response[Symbol.dispose]();
        response = await send(wider.header);
        used = wider;
      }
    }
    const { credential } = used;
    if (!isDenied(response, credential)) {
      this.#grants.set(request.scope, used);
      return response;
    }
    this.#grants.delete(request.scope);
    if (credential === undefined) return response;
    const isWrong = used.challenge.scheme === "basic" && response.status === 401;
    if (isWrong) this.#reject(request, credential, response.status);
    // Look it up again later: the user may have changed it.
    this.attempts(request.scope).retryAt = this.#retryAt;
    return response;
  }

  /** Returns a suitable grant, refreshed if necessary. */
  async #currentGrant(request: AuthorizedRequest): Promise<Grant | undefined> {
    const grant = this.#grants.get(request.scope);
    if (grant === undefined || this.#options.clock.now() < grant.refreshAt) return grant;
    this.#grants.delete(request.scope);
    const renewed = await this.#createGrant(request, grant.challenge, grant.credential);
    if (renewed !== undefined) this.#grants.set(request.scope, renewed);
    return renewed;
  }

  /** Returns the challenge of a response, and keeps it for other requests. */
  #readChallenge(response: HttpResponse): Challenge | undefined {
    const challenge = chooseChallenge(response);
    if (challenge !== undefined) this.#challenge = withoutRepositories(challenge);
    return challenge;
  }

  /**
   * Returns the challenge of a response, or else the last one, or else that for `/v2/`: gcr.io and
   * some gateways send it there only (containers/image#211).
   */
  async #findChallenge(
    request: AuthorizedRequest,
    response: HttpResponse,
  ): Promise<Challenge | undefined> {
    const challenge = this.#readChallenge(response) ?? this.#challenge;
    if (challenge !== undefined || this.#isPinged) return challenge;
    using pong = await this.#options.ping?.(request);
    this.#isPinged = true;
    return pong && this.#readChallenge(pong);
  }

  /** Continues without a credential whose token server is unsafe, if the server needs none. */
  #continueAnonymously(request: AuthorizedRequest, error: unknown, isNeeded: boolean): "forgone" {
    const { allowAnonymous = true } = this.#options;
    if (isNeeded || !allowAnonymous || !(error instanceof AuthError)) throw error;
    const attempts = this.attempts(request.scope);
    attempts.unsent = error.problem;
    this.#reject(request, attempts.credential, undefined);
    return "forgone";
  }

  async #userGrant(request: AuthorizedRequest, response: HttpResponse): Promise<Grant | undefined> {
    const challenge = await this.#findChallenge(request, response);
    if (challenge === undefined) {
      this.attempts(request.scope).unsent = describeUnanswerable(response);
      return undefined;
    }
    const credential = await this.#findCredential(request);
    if (credential === undefined) return undefined;
    const grant = await this.#createGrant(request, challenge, credential);
    if (grant === undefined) this.#reject(request, credential, undefined);
    return grant;
  }

  async #anonymousGrant(
    request: AuthorizedRequest,
    response: HttpResponse,
  ): Promise<Grant | undefined> {
    const challenge = await this.#findChallenge(request, response);
    // With a Basic challenge, the server has already rejected anonymous access.
    if (challenge === undefined || challenge.scheme === "basic") return undefined;
    this.attempts(request.scope).isAnonymous = true;
    return await this.#createGrant(request, challenge, undefined);
  }

  /** Returns the credential for a request, unless the server has rejected it. */
  async #findCredential(request: AuthorizedRequest): Promise<Credential | undefined> {
    const attempts = this.attempts(request.scope);
    if (attempts.isRejected) return undefined;
    if (!attempts.isSearched) {
      attempts.credential = await this.#options.find?.(request, (message) => {
        attempts.skipped.push(message);
      });
      attempts.isSearched = true;
      if (attempts.credential === undefined) attempts.retryAt = this.#retryAt;
    }
    return attempts.credential;
  }

  async #createGrant(
    request: AuthorizedRequest,
    challenge: Challenge,
    credential: Credential | undefined,
  ): Promise<Grant | undefined> {
    const auth = credential?.auth;
    const header = auth && authorization(auth);
    const asIs = auth?.registryToken !== undefined || challenge.scheme === "basic";
    const attempts = this.attempts(request.scope);
    if (asIs) {
      if (header === undefined) {
        attempts.unsent = "the registry requires a user name and a password";
        return undefined;
      }
      attempts.isTried = true;
      return { header, credential, challenge, refreshAt: Infinity };
    }
    const token = await this.#requestToken(request, challenge, auth);
    if (token === undefined) return undefined;
    return { header: `Bearer ${token.token}`, credential, challenge, refreshAt: token.refreshAt };
  }

  async #requestToken(
    request: AuthorizedRequest,
    { parameters }: Challenge,
    auth: ImagePullAuth | undefined,
  ): Promise<Token | undefined> {
    const { http, clock, registry, url, isPlain, isRedirectTarget = false } = this.#options;
    const { requestToken, tokenServer } = await import("./_token.ts");
    const realm = tokenServer(parameters.get("realm"), this.#options, request.task);
    const attempts = this.attempts(request.scope);
    if (auth !== undefined && isPlain && !isSameServer(realm, url)) {
      attempts.unsent = `the registry names the token server ${realm.host} without TLS`;
      return undefined;
    }
    attempts.isTried ||= auth !== undefined;
    const named = parameters.get("scope") ?? "";
    const scopes = scopesToRequest(request, named, isRedirectTarget);
    const service = parameters.get("service");
    const key = JSON.stringify([realm, service, scopes, auth]);
    const server = `the token server ${realm.host} of ${registry}`;
    const token = await this.#tokenRequests.run(
      key,
      request.signal,
      async (signal) => {
        // Without TLS, an attacker could have replaced the name.
        const namedBy = isPlain ? undefined : url.host;
        const common = { ...this.#options, ...request, realm, service, scopes, namedBy, server };
        const send = (auth: ImagePullAuth | undefined) => {
          return requestToken(http, clock, { ...common, auth, signal });
        };
        const identityToken = auth?.identityToken;
        if (identityToken === undefined) return await send(auth);
        return await this.#identityTokens.exchange(identityToken, (latest) => {
          return send({ ...auth, identityToken: latest });
        });
      },
    );
    if (!("refusal" in token)) return token;
    if (auth !== undefined) attempts.refusal = token.refusal;
    return undefined;
  }

  get #retryAt(): number {
    return this.#options.clock.now() + RETRY_MS;
  }

  /** Returns the attempts for a scope. */
  attempts(scope: string): LoginAttempts {
    let attempts = this.#attempts.get(scope);
    if (attempts === undefined || attempts.retryAt <= this.#options.clock.now()) {
      attempts = new LoginAttempts();
      this.#attempts.set(scope, attempts);
    }
    return attempts;
  }

  /**
   * Stops using a credential.
   *
   * @param status Status of the server's response; `undefined` if its token server rejected it, or
   * it was not sent.
   */
  #reject(
    request: AuthorizedRequest,
    credential: Credential | undefined,
    status: number | undefined,
  ): void {
    const attempts = this.attempts(request.scope);
    if (credential === undefined || attempts.isRejected) return;
    attempts.isRejected = true;
    attempts.retryAt = this.#retryAt;
    const { registry } = this.#options;
    const why = status !== undefined
      ? `${status === 401 ? "was rejected" : "does not give access"} (${status})`
      : attempts.isTried
      ? `was rejected by its token server${attempts.refusal ? ` (${attempts.refusal})` : ""}`
      : `is not sent, because ${attempts.unsent}`;
    if (this.#options.allowAnonymous === false) return;
    request.onWarning?.(
      `The credential for ${registry} from ${credential.source} ${why}. ` +
        "Continuing without it",
    );
  }
}
