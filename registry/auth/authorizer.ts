import { authorization, type Credential } from "../credentials.ts";
import type { RequestTask } from "../errors.ts";
import type { ImagePullAuth } from "../image_client.ts";
import type { Clock } from "../remote_client_options.ts";
import { BoundedMap } from "../transport/bounded_map.ts";
import type { Answer } from "../transport/answer.ts";
import type { Http } from "../transport/http.ts";
import type { Tls } from "../transport/http_request.ts";
import { isLoopback } from "../transport/private_address.ts";
import type { RegistryErrorContext } from "../transport/registry_error.ts";
import { SharedTasks } from "../tasks/shared_task.ts";
import {
  type Challenge,
  chooseChallenge,
  describeUnanswerable,
  wantsMoreScope,
  withoutRepositories,
} from "./_challenge.ts";
import { IdentityTokens } from "./_identity_tokens.ts";
import { LoginAttempts } from "./_login_attempts.ts";
import type { Token, TokenRefusal } from "./_token.ts";
import { canWrite, mergeScopes, withoutRepositoryScopes } from "./scope.ts";

/**
 * Time after which a credential is looked up again if none was found, or if the server has
 * rejected it: a program may run for months.
 */
const RETRY_MS = 60_000;

/** Maximum number of scopes whose tokens and attempts are kept: there is one for each repository. */
const MAX_SCOPES = 1_000;

/** Options for {@linkcode Authorizer}. */
export interface AuthorizerOptions {
  readonly http: Http;
  readonly clock: Clock;
  readonly tls: Tls;
  /** Name of the registry for the user. */
  readonly registry: string;
  /** An address of the server. */
  readonly url: URL;
  /** Whether the server uses plain HTTP, which allows its token server to do so. */
  readonly isPlain: boolean;
  /** Whether its token server may have a private address, because the server itself has one. */
  readonly allowPrivate: boolean;
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
  readonly ping?: ((request: AuthorizedRequest) => Promise<Answer>) | undefined;
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

/** A response to a credential that denies access. */
interface Denial {
  readonly answer: Answer;
  readonly credential: Credential;
}

/**
 * Authenticates requests to one server: Basic, and tokens with and without a credential. After a
 * rejected credential, it tries anonymous access once, because the image may be public.
 */
export class Authorizer {
  readonly #options: AuthorizerOptions;
  readonly #grants = new BoundedMap<string, Grant>(MAX_SCOPES);
  readonly #attempts = new BoundedMap<string, LoginAttempts>(MAX_SCOPES);
  readonly #exchanges = new SharedTasks<Token | TokenRefusal>();
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
  async authorize(
    request: AuthorizedRequest,
    send: (header: string | undefined) => Promise<Answer>,
  ): Promise<Answer> {
    const known = await this.#current(request);
    let answer = await send(known?.header);
    let denied: Denial | undefined;
    try {
      // A token that worked before may have expired, whatever the status is.
      const isOver = isRefusal(answer, known) || (answer.status === 403 && known !== undefined);
      if (!isOver && !await this.#mayHide(request, answer, known)) return answer;
      const { allowAnonymous = true } = this.#options;
      const isOpen = answer.status === 200 && allowAnonymous;
      for (const isAnonymous of allowAnonymous ? [false, true] : [false]) {
        let grant = await this.#obtain(request, answer, isAnonymous);
        if (grant === undefined) continue;
        if (answer !== denied?.answer) answer[Symbol.dispose]();
        answer = await send(grant.header);
        const wider = await this.#widen(request, answer, grant);
        if (wider !== undefined) {
          grant = wider;
          answer[Symbol.dispose]();
          answer = await send(grant.header);
        }
        if (!isRefusal(answer, grant)) {
          this.#grants.set(request.scope, grant);
          if (denied !== undefined) this.#reject(request, denied, denied.answer.status);
          denied?.answer[Symbol.dispose]();
          return answer;
        }
        this.#grants.delete(request.scope);
        const { credential, challenge } = grant;
        if (credential === undefined) continue;
        denied = { answer, credential };
        if (challenge.scheme === "basic" && answer.status === 401) {
          this.#reject(request, denied, answer.status);
        }
        // By then, the user may have changed the credential.
        this.attempts(request.scope).retryAt = this.#retryAt;
        // The registry knows the user, so anonymous clients may not write either.
        if (answer.status === 403 && canWrite(request.scope)) return answer;
      }
      if (denied === undefined || (denied.answer === answer && !isOpen)) return answer;
      answer[Symbol.dispose]();
      // The response to the user says more than the one to an anonymous client.
      if (!isOpen) return denied.answer;
      this.#reject(request, denied, denied.answer.status);
      denied.answer[Symbol.dispose]();
      return await send(undefined);
    } catch (error) {
      answer[Symbol.dispose]();
      denied?.answer[Symbol.dispose]();
      throw error;
    }
  }

  /** Returns a suitable grant, refreshed if necessary. */
  async #current(request: AuthorizedRequest): Promise<Grant | undefined> {
    const grant = this.#grants.get(request.scope);
    if (grant === undefined || this.#options.clock.now() < grant.refreshAt) return grant;
    this.#grants.delete(request.scope);
    const renewed = await this.#grant(request, grant.challenge, grant.credential);
    if (renewed !== undefined) this.#grants.set(request.scope, renewed);
    return renewed;
  }

  /** Returns a grant with the scopes that were missing in the last token. */
  async #widen(
    request: AuthorizedRequest,
    answer: Answer,
    { credential, challenge }: Grant,
  ): Promise<Grant | undefined> {
    if (!wantsMoreScope(answer)) return undefined;
    return await this.#grant(request, this.#read(answer) ?? challenge, credential);
  }

  /**
   * Returns whether a registry may hide content from unauthenticated clients without a challenge,
   * but sends one for `/v2/`, which other clients request first.
   */
  async #mayHide(
    request: AuthorizedRequest,
    answer: Answer,
    known: Grant | undefined,
  ): Promise<boolean> {
    const { status } = answer;
    // Quay and Zot show unauthenticated clients only public repositories, and Zot accepts a login
    // without a credential.
    const isOpen = status === 200 && request.repository === "";
    if (known !== undefined || !(status === 403 || status === 404 || isOpen)) return false;
    if (await this.#credential(request) === undefined) return false;
    if (isOpen && request.scope === "") return this.#read(answer) !== undefined;
    const challenge = this.#read(answer) ?? this.#challenge ?? await this.#ping(request);
    return challenge !== undefined;
  }

  /** Returns the challenge of a response, and keeps it for other requests. */
  #read(answer: Answer): Challenge | undefined {
    const challenge = chooseChallenge(answer);
    if (challenge !== undefined) this.#challenge = withoutRepositories(challenge);
    return challenge;
  }

  /** Requests the challenge for `/v2/`, once. */
  async #ping(request: AuthorizedRequest): Promise<Challenge | undefined> {
    if (this.#isPinged) return undefined;
    using pong = await this.#options.ping?.(request);
    this.#isPinged = true;
    return pong && this.#read(pong);
  }

  async #obtain(
    request: AuthorizedRequest,
    answer: Answer,
    isAnonymous: boolean,
  ): Promise<Grant | undefined> {
    // gcr.io and some gateways send the challenge for `/v2/` only (containers/image#211).
    const challenge = this.#read(answer) ?? this.#challenge ??
      (answer.status === 401 ? await this.#ping(request) : undefined);
    const attempts = this.attempts(request.scope);
    if (challenge === undefined) {
      attempts.unsent = describeUnanswerable(answer);
      return undefined;
    }
    if (isAnonymous) {
      // The server has already rejected anonymous access.
      if (challenge.scheme === "basic") return undefined;
      attempts.isAnonymous = true;
      return await this.#grant(request, challenge, undefined);
    }
    const credential = await this.#credential(request);
    if (credential === undefined) return undefined;
    const grant = await this.#grant(request, challenge, credential);
    if (grant === undefined) this.#reject(request, { credential }, undefined);
    return grant;
  }

  /** Returns the credential for a request, unless the server has rejected it. */
  async #credential(request: AuthorizedRequest): Promise<Credential | undefined> {
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

  async #grant(
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
    const token = await this.#exchange(request, challenge, auth);
    if (token === undefined) return undefined;
    return { header: `Bearer ${token.token}`, credential, challenge, refreshAt: token.refreshAt };
  }

  async #exchange(
    request: AuthorizedRequest,
    { parameters }: Challenge,
    auth: ImagePullAuth | undefined,
  ): Promise<Token | undefined> {
    const { http, clock, tls, registry, url, isPlain, allowPrivate } = this.#options;
    const { task, attempt } = request;
    const { requestToken, tokenServer } = await import("./_token.ts");
    const realm = tokenServer(parameters.get("realm"), { ...this.#options, task });
    const attempts = this.attempts(request.scope);
    if (auth !== undefined && this.#isElsewhere(realm)) {
      // Without TLS, an attacker could have replaced the name of the token server.
      attempts.unsent = `the registry names the token server ${realm.host} without TLS`;
      return undefined;
    }
    attempts.isTried ||= auth !== undefined;
    const scopes = this.#scopes(request, parameters.get("scope") ?? "");
    const service = parameters.get("service");
    const key = JSON.stringify([realm, service, scopes, auth]);
    const context: RegistryErrorContext = {
      task,
      attempt,
      registry,
      server: `the token server ${realm.host} of ${registry}`,
    };
    const token = await this.#exchanges.run(
      key,
      request.signal,
      async (signal) => {
        // Without TLS, an attacker could have replaced the name.
        const namedBy = isPlain ? undefined : url.host;
        const common = { realm, service, scopes, tls, namedBy, allowPrivate, context, signal };
        const exchange = (auth: ImagePullAuth | undefined) => {
          return requestToken(http, clock, { ...common, auth });
        };
        const identityToken = auth?.identityToken;
        if (identityToken === undefined) return await exchange(auth);
        return await this.#identityTokens.exchange(identityToken, (latest) => {
          return exchange({ ...auth, identityToken: latest });
        });
      },
    );
    if (!("refusal" in token)) return token;
    if (auth !== undefined) attempts.refusal = token.refusal;
    return undefined;
  }

  /** Returns the scopes to request. A token server may reject the request for an unknown scope. */
  #scopes({ scope, repository }: AuthorizedRequest, named: string): readonly string[] {
    if (named !== "" && this.#options.isRedirectTarget) return mergeScopes(named);
    // The repository that a challenge for `/v2/` names is an example (ghcr.io).
    return mergeScopes(scope, repository === "" ? withoutRepositoryScopes(named) : named);
  }

  /** Returns whether a plain-HTTP registry names a token server on another host. */
  #isElsewhere(realm: URL): boolean {
    const { isPlain, url } = this.#options;
    if (!isPlain || (isLoopback(url) && isLoopback(realm))) return false;
    return realm.hostname !== url.hostname;
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
    { credential }: Omit<Denial, "answer">,
    status: number | undefined,
  ): void {
    const attempts = this.attempts(request.scope);
    if (attempts.isRejected) return;
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

function isRefusal(answer: Answer, grant: Grant | undefined): boolean {
  const { status } = answer;
  return status === 401 ||
    (status === 403 && (grant?.credential !== undefined || wantsMoreScope(answer)));
}
