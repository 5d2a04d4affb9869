import type { Credential } from "../credentials.ts";

/** How somebody has tried to get in, for one scope. */
export class LoginAttempts {
  /** Where no credential could be looked for. */
  readonly skipped: string[] = [];
  credential: Credential | undefined;
  /** Whether a credential has been looked for. */
  isSearched = false;
  /** Whether the server was given it. */
  isTried = false;
  /** Whether the server did not want it. */
  isRejected = false;
  /** Whether a token for nobody was asked for. */
  isAnonymous = false;

  /** The attempts in words, for an error. */
  toString(): string {
    const tried = [
      ...this.isAnonymous ? ["anonymous access"] : [],
      ...this.isTried ? [`the credential from ${this.credential?.source}`] : [],
    ];
    return [
      ...tried.length === 0 ? [] : [`tried ${tried.join(" and ")}`],
      ...this.credential === undefined ? ["no credential for it was found"] : [],
      ...this.skipped,
    ].join("; ");
  }
}
