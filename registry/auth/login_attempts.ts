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
  /** Why the credential was not sent, if the server required one. */
  unsent: string | undefined;
  /** Whether the credential cannot be used: the server rejected it, or it must not be sent. */
  isRejected: boolean = false;
  /** Response with which the token server rejected the credential, if it did. */
  refusal: string | undefined;
  /** Time of the clock at which the attempts start again. */
  retryAt: number = Infinity;
  /** Whether an anonymous token was requested. */
  isAnonymous: boolean = false;

  /** Whether the server accepted the credential, even if it denied access. */
  get isAuthenticated(): boolean {
    return this.isTried && !this.isRejected;
  }

  /** Whether the credential was sent and rejected. */
  get isRefused(): boolean {
    return this.isTried && this.isRejected;
  }

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
      ...this.#missing(),
      ...this.skipped,
    ].join(", ");
  }

  #missing(): readonly string[] {
    if (this.isTried) return [];
    if (this.unsent === undefined) {
      return this.credential === undefined ? ["found no credential for it"] : [];
    }
    const unsent = this.credential && `did not send the credential from ${this.credential.source}`;
    return [unsent === undefined ? this.unsent : `${unsent}, because ${this.unsent}`];
  }
}
