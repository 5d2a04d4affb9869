import type { Credential } from "../credentials.ts";

/** Authentication attempts for one scope. */
export class LoginAttempts {
  /** Places that could not be searched for credentials. */
  readonly skipped: string[] = [];
  credential: Credential | undefined;
  /** Whether a credential has been looked for. */
  isSearched = false;
  /** Whether the credential was sent. */
  isTried = false;
  /** Whether the server rejected the credential. */
  isRejected = false;
  /** Whether an anonymous token was requested. */
  isAnonymous = false;

  /** Describes the attempts for an error. */
  toString(): string {
    const tried = [
      ...this.isAnonymous ? ["anonymous access"] : [],
      ...this.isTried ? [`the credential from ${this.credential?.source}`] : [],
    ];
    return [
      ...tried.length === 0 ? [] : [`tried ${tried.join(" and ")}`],
      ...this.credential === undefined ? ["found no credential for it"] : [],
      ...this.skipped,
    ].join(", ");
  }
}
