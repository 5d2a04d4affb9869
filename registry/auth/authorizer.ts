import type { Answer } from "../transport/answer.ts";
import { type Challenge, parseChallenges } from "./_challenge.ts";
import type { Clock } from "../remote_client_options.ts";
import type { Http } from "../transport/http.ts";
import type { Tls } from "../transport/http_client.ts";
import type { RegistryErrorContext } from "../transport/registry_error.ts";
import { mergeScopes } from "./scope.ts";
import { isLoopback } from "../transport/private_address.ts";
import { SingleFlight } from "../transport/shared_task.ts";
import { LoginAttempts } from "./_login_attempts.ts";
import { requestToken, type Token } from "./_token.ts";
import { tokenServer } from "./_token_server.ts";
import { authorization, type Credential } from "../credentials.ts";
import type { ImagePullAuth } from "../image_client.ts";

/** Options of {@linkcode Authorizer}. */
export interface AuthorizerOptions {
  readonly http: Http;
  readonly clock: Clock;
  readonly tls: Tls;
  /** The registry, as the user knows it. */
  readonly registry: string;
  /** An address of the server. */
  readonly url: URL;
  /** Whether the server speaks plain HTTP, so that its token server may. */
  readonly isPlain: boolean;
  /** Whether its token server may have a private address, because it has one itself. */
  readonly allowPrivate: boolean;
  /**
   * Whether to fall back to anonymous access where a credential is refused.
   *
   * @default {true}
   */
  readonly allowAnonymous?: boolean;
  /** Finds the credential for a repository; absent where nobody may have one. */
  readonly find?: (
    request: AuthorizedRequest,
    onSkipped: (message: string) => void,
  ) => Promise<Credential | undefined>;
  /** Asks the registry for nothing, to learn how to log in. */
  readonly ping?: ((request: AuthorizedRequest) => Promise<Answer>) | undefined;
}

/** What is to be authorized. */
export interface AuthorizedRequest {
  /** The repository, as the registry knows it. */
  readonly repository: string;
  readonly scope: string;
  readonly task: string;
  readonly attempt: number;
  readonly signal?: AbortSignal | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** Permission to send requests of one scope. */
interface Grant {
  readonly header: string;
  /** Whose it is; `undefined` if it is anybody's. */
  readonly credential: Credential | undefined;
  readonly refreshAt: number;
}

/**
 * Gets requests past the authentication of one server: Basic, and tokens with and without a
 * credential. A credential that is refused does not stand in the way of a public image: there is
 * one more try without it.
 */
export class Authorizer {
  readonly #options: AuthorizerOptions;
  readonly #grants = new Map<string, Grant>();
  readonly #attempts = new Map<string, LoginAttempts>();
  readonly #exchanges = new SingleFlight<Token | undefined>();
  #challenge: Challenge | undefined;
  #isPinged = false;

  constructor(options: AuthorizerOptions) {
    this.#options = options;
  }

  /**
   * Sends a request, again with an `Authorization` header when the server asks for one.
   *
   * @param send Sends it with the header.
   * @returns The last answer: it may still be a refusal.
   */
  async authorize(
    request: AuthorizedRequest,
    send: (header: string | undefined) => Promise<Answer>,
  ): Promise<Answer> {
    const known = await this.#current(request);
    let answer = await send(known?.header);
    try {
      // A token that was good before may have expired, whatever the status says.
      const isOver = isRefusal(answer, known) || (answer.status === 403 && known !== undefined);
      if (!isOver && !await this.#mayHide(request, answer, known)) {
        return answer;
      }
      const { allowAnonymous = true } = this.#options;
      for (const isAnonymous of allowAnonymous ? [false, true] : [false]) {
        let grant = await this.#obtain(request, answer, isAnonymous);
        if (grant === undefined) continue;
        answer[Symbol.dispose]();
        answer = await send(grant.header);
        const wider = await this.#widen(request, answer, grant);
        if (wider !== undefined) {
          grant = wider;
          answer[Symbol.dispose]();
          answer = await send(grant.header);
        }
        if (!isRefusal(answer, grant)) {
          this.#grants.set(request.scope, grant);
          return answer;
        }
        this.#grants.delete(request.scope);
        if (grant.credential !== undefined) this.#reject(request, grant.credential, answer.status);
      }
      return answer;
    } catch (error) {
      answer[Symbol.dispose]();
      throw error;
    }
  }

  /** What was tried for a scope, in words. */
  describe(scope: string): string {
    return this.#attemptsFor(scope).toString();
  }

  /** A grant that will do, renewed in time. */
  async #current(request: AuthorizedRequest): Promise<Grant | undefined> {
    const grant = this.#grants.get(request.scope);
    if (grant === undefined || this.#options.clock.now() < grant.refreshAt) return grant;
    this.#grants.delete(request.scope);
    if (this.#challenge === undefined) return undefined;
    const renewed = await this.#grant(request, this.#challenge, grant.credential);
    if (renewed !== undefined) this.#grants.set(request.scope, renewed);
    return renewed;
  }

  /** A grant for the scopes that a server misses in the token that it was sent. */
  async #widen(
    request: AuthorizedRequest,
    answer: Answer,
    { credential }: Grant,
  ): Promise<Grant | undefined> {
    if (!wantsMoreScope(answer)) return undefined;
    this.#challenge = chooseChallenge(answer) ?? this.#challenge;
    return this.#challenge && await this.#grant(request, this.#challenge, credential);
  }

  /**
   * Whether a registry may hide from strangers what it does not challenge them for, and has a
   * challenge for who asks for nothing, as others do first of all.
   */
  async #mayHide(
    request: AuthorizedRequest,
    answer: Answer,
    known: Grant | undefined,
  ): Promise<boolean> {
    if (known !== undefined || (answer.status !== 403 && answer.status !== 404)) return false;
    if (await this.#credential(request) === undefined) return false;
    this.#challenge = chooseChallenge(answer) ?? this.#challenge ?? await this.#ping(request);
    return this.#challenge !== undefined;
  }

  /** The challenge for who asks for nothing; asked for once. */
  async #ping(request: AuthorizedRequest): Promise<Challenge | undefined> {
    if (this.#isPinged) return undefined;
    using pong = await this.#options.ping?.(request);
    this.#isPinged = true;
    return pong && chooseChallenge(pong);
  }

  async #obtain(
    request: AuthorizedRequest,
    answer: Answer,
    isAnonymous: boolean,
  ): Promise<Grant | undefined> {
    this.#challenge = chooseChallenge(answer) ?? this.#challenge;
    if (this.#challenge === undefined) return undefined;
    const attempts = this.#attemptsFor(request.scope);
    if (isAnonymous) {
      // What is known to be nobody's is no news to the server.
      if (this.#challenge.scheme === "basic") return undefined;
      attempts.isAnonymous = true;
      return await this.#grant(request, this.#challenge, undefined);
    }
    const credential = await this.#credential(request);
    if (credential === undefined) return undefined;
    attempts.isTried = true;
    const grant = await this.#grant(request, this.#challenge, credential);
    if (grant === undefined) this.#reject(request, credential, undefined);
    return grant;
  }

  /** The credential for a request, unless it has been refused already. */
  async #credential(request: AuthorizedRequest): Promise<Credential | undefined> {
    const attempts = this.#attemptsFor(request.scope);
    if (attempts.isRejected) return undefined;
    if (!attempts.isSearched) {
      attempts.credential = await this.#options.find?.(request, (message) => {
        attempts.skipped.push(message);
      });
      attempts.isSearched = true;
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
    if (asIs) {
      return header === undefined ? undefined : { header, credential, refreshAt: Infinity };
    }
    const token = await this.#exchange(request, challenge, auth);
    if (token === undefined) return undefined;
    return { header: `Bearer ${token.token}`, credential, refreshAt: token.refreshAt };
  }

  async #exchange(
    request: AuthorizedRequest,
    { parameters }: Challenge,
    auth: ImagePullAuth | undefined,
  ): Promise<Token | undefined> {
    const { http, clock, tls, registry, allowPrivate } = this.#options;
    const { task, attempt } = request;
    const realm = tokenServer(parameters.get("realm"), { ...this.#options, task });
    if (auth !== undefined && this.#isElsewhere(realm)) {
      // Anybody on the way to a registry without TLS could have named the server.
      request.onWarning?.(
        `The credential for ${registry} is not sent to the token server ${realm.host}, as ` +
          `${registry} does not use TLS`,
      );
      return undefined;
    }
    const scopes = mergeScopes(request.scope, parameters.get("scope") ?? "");
    const service = parameters.get("service");
    const key = JSON.stringify([realm, service, scopes, auth]);
    const context: RegistryErrorContext = {
      task,
      attempt,
      registry: `the token server ${realm.host} of ${registry}`,
      now: clock.now(),
    };
    return await this.#exchanges.run(
      key,
      request.signal,
      (signal) => {
        const login = { realm, service, scopes, auth, tls, allowPrivate };
        return requestToken(http, clock, { ...login, context, signal });
      },
    );
  }

  /** Whether a token server is another host than the plain-HTTP registry that names it. */
  #isElsewhere(realm: URL): boolean {
    const { isPlain, url } = this.#options;
    if (!isPlain || (isLoopback(url) && isLoopback(realm))) return false;
    return realm.hostname !== url.hostname;
  }

  #attemptsFor(scope: string): LoginAttempts {
    let attempts = this.#attempts.get(scope);
    if (attempts === undefined) {
      attempts = new LoginAttempts();
      this.#attempts.set(scope, attempts);
    }
    return attempts;
  }

  #reject(request: AuthorizedRequest, credential: Credential, status: number | undefined): void {
    const attempts = this.#attemptsFor(request.scope);
    if (attempts.isRejected) return;
    attempts.isRejected = true;
    const how = status === undefined ? "by its token server" : `(${status})`;
    request.onWarning?.(
      `The credential for ${this.#options.registry} from ${credential.source} was refused ${how}; ` +
        "going on without it",
    );
  }
}

function isRefusal(answer: Answer, grant: Grant | undefined): boolean {
  const { status } = answer;
  return status === 401 ||
    (status === 403 && (grant?.credential !== undefined || wantsMoreScope(answer)));
}

/** Whether a token is good, but for too little (RFC 6750, section 3.1). */
function wantsMoreScope({ status, headers }: Answer): boolean {
  if (status !== 401 && status !== 403) return false;
  return parseChallenges(headers.get("www-authenticate")).some(({ parameters }) => {
    return parameters.get("error") === "insufficient_scope";
  });
}

/** The challenge of an answer to take up: a token, where it is said how to have one. */
function chooseChallenge(answer: Answer): Challenge | undefined {
  const challenges = parseChallenges(answer.headers.get("www-authenticate"));
  const bearer = challenges.filter(({ scheme }) => scheme === "bearer");
  return bearer.find(({ parameters }) => URL.canParse(parameters.get("realm") ?? "")) ??
    challenges.find(({ scheme }) => scheme === "basic") ?? bearer[0];
}
