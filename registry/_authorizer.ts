import type { Answer } from "./_answer.ts";
import { type Challenge, parseChallenges } from "./_challenge.ts";
import type { Clock } from "./remote_client_options.ts";
import type { Http } from "./_http.ts";
import type { Tls } from "./_http_client.ts";
import { isPrivateAddress } from "./_private_address.ts";
import { redactUrl } from "./_redact.ts";
import type { RegistryErrorContext } from "./_registry_error.ts";
import { mergeScopes } from "./_scope.ts";
import { SingleFlight } from "./_shared_task.ts";
import { requestToken, type Token } from "./_token.ts";
import { authorization, type Credential } from "./credentials.ts";
import { AuthError } from "./errors.ts";
import type { ImagePullAuth } from "./image_client.ts";

/** Options of {@linkcode Authorizer}. */
export interface AuthorizerOptions {
  readonly http: Http;
  readonly clock: Clock;
  readonly tls: Tls;
  /** The registry, as the user knows it. */
  readonly registry: string;
  /** Whether the server speaks plain HTTP, so that its token server may. */
  readonly isPlain: boolean;
  /** Whether its token server may have a private address, because it has one itself. */
  readonly allowPrivate: boolean;
  /** Finds the credential for a repository; absent where nobody may have one. */
  readonly find?: (
    request: AuthorizedRequest,
    onSkipped: (message: string) => void,
  ) => Promise<Credential | undefined>;
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

/** Who has already been tried for a scope. */
interface Attempts {
  credential?: Credential | undefined;
  isSearched: boolean;
  isRejected: boolean;
  isAnonymous: boolean;
  /** Where no credential could be looked for. */
  readonly skipped: string[];
}

/**
 * Gets requests past the authentication of one server: Basic, and tokens with and without a
 * credential. A credential that is refused does not stand in the way of a public image: there is
 * one more try without it.
 */
export class Authorizer {
  readonly #options: AuthorizerOptions;
  readonly #grants = new Map<string, Grant>();
  readonly #attempts = new Map<string, Attempts>();
  readonly #exchanges = new SingleFlight<Token | undefined>();
  #challenge: Challenge | undefined;

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
    if (!this.#isRefusal(answer, known)) return answer;
    try {
      for (const isAnonymous of [false, true]) {
        const grant = await this.#obtain(request, answer, isAnonymous);
        if (grant === undefined) continue;
        answer[Symbol.dispose]();
        answer = await send(grant.header);
        if (!this.#isRefusal(answer, grant)) {
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
    const attempts = this.#attemptsFor(scope);
    const from = attempts.credential && `the credential from ${attempts.credential.source}`;
    const tried = [attempts.isAnonymous && "anonymous access", from].filter((way) => way);
    const found = from === undefined ? ["no credential for it was found"] : [];
    const how = tried.length === 0 ? [] : [`tried ${tried.join(" and ")}`];
    return [...how, ...found, ...attempts.skipped].join("; ");
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

  #isRefusal(answer: Answer, grant: Grant | undefined): boolean {
    return answer.status === 401 || (answer.status === 403 && grant?.credential !== undefined);
  }

  async #obtain(
    request: AuthorizedRequest,
    answer: Answer,
    isAnonymous: boolean,
  ): Promise<Grant | undefined> {
    const challenges = parseChallenges(answer.headers.get("www-authenticate"));
    this.#challenge = challenges.find(({ scheme }) => scheme === "bearer") ??
      challenges.find(({ scheme }) => scheme === "basic") ?? this.#challenge;
    if (this.#challenge === undefined) return undefined;
    const attempts = this.#attemptsFor(request.scope);
    if (isAnonymous) {
      // What is known to be nobody's is no news to the server.
      if (this.#challenge.scheme === "basic") return undefined;
      attempts.isAnonymous = true;
      return await this.#grant(request, this.#challenge, undefined);
    }
    if (attempts.isRejected) return undefined;
    if (!attempts.isSearched) {
      attempts.credential = await this.#options.find?.(request, (message) => {
        attempts.skipped.push(message);
      });
      attempts.isSearched = true;
    }
    const { credential } = attempts;
    if (credential === undefined) return undefined;
    const grant = await this.#grant(request, this.#challenge, credential);
    if (grant === undefined) this.#reject(request, credential, undefined);
    return grant;
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
    const { http, clock, tls } = this.#options;
    const realm = this.#realm(parameters.get("realm"), request.task);
    const scopes = mergeScopes(request.scope, parameters.get("scope") ?? "");
    const service = parameters.get("service");
    const key = JSON.stringify([realm, service, scopes, auth]);
    const { task, attempt } = request;
    const context: RegistryErrorContext = {
      task,
      attempt,
      registry: realm.host,
      authentication: "it was asked for a token",
      now: clock.now(),
    };
    return await this.#exchanges.run(
      key,
      request.signal,
      (signal) => requestToken(http, clock, { realm, service, scopes, auth, tls, context, signal }),
    );
  }

  /** A realm is an address that a stranger gives, and a credential is sent there. */
  #realm(text: string | undefined, task: string): URL {
    const { registry, allowPrivate, isPlain } = this.#options;
    const fail = (state: string): never => {
      throw new AuthError(
        `Cannot ${task}: ${registry} names a token server that is not asked, ${state}`,
        { status: 401, url: text === undefined ? "" : redactUrl(text) },
      );
    };
    const url = URL.parse(text ?? "");
    if (url === null) return fail("as its address is not a URL");
    if (url.username !== "" || url.password !== "") fail("as its address holds a password");
    if (url.protocol !== "https:" && !(url.protocol === "http:" && isPlain)) {
      fail("as it does not use https");
    }
    if (isPrivateAddress(url) && !allowPrivate) {
      fail(`as ${url.hostname} is an address of a private network`);
    }
    return url;
  }

  #attemptsFor(scope: string): Attempts {
    let attempts = this.#attempts.get(scope);
    if (attempts === undefined) {
      attempts = { isSearched: false, isRejected: false, isAnonymous: false, skipped: [] };
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
