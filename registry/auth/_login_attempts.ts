import type { Credential } from "../credentials.ts";

/** Authentication attempts for one scope. */
export class LoginAttempts {
  /** Places that could not be searched for credentials. */
  readonly skipped: string[] = [];
  credential: Credential | undefined;
  /** Whether a credential has been looked up. */
  isSearched: boolean = false;
  /** Whether the credential was sent. */
  isTried: boolean = false;
  /** Whether the server rejected the credential. */
  isRejected: boolean = false;
  /** Response with which the token server rejected the credential, if it did. */
  refusal: string | undefined;
  /** Time after which the attempts start again, in milliseconds since 1970. */
  retryAt: number = Infinity;
  /** Whether an anonymous token was requested. */
  isAnonymous: boolean = false;

  get #rejection(): string {
    return this.refusal === undefined ? "" : `, which its token server rejected: ${this.refusal}`;
  }

  /** Describes the attempts for an error. */
  toString(): string {
    const tried = [
      ...this.isAnonymous ? ["anonymous access"] : [],
      ...this.isTried ? [`the credential from ${this.credential?.source}${this.#rejection}`] : [],
    ];
    return [
      ...tried.length === 0 ? [] : [`tried ${tried.join(" and ")}`],
      ...this.credential === undefined ? ["found no credential for it"] : [],
      ...this.skipped,
    ].join(", ");
  }
}
