import { Semaphore } from "../tasks/semaphore.ts";
import type { Token, TokenRefusal } from "./_token.ts";

/** Identity tokens, which a token server may replace with each exchange (RFC 6749, section 6). */
export class IdentityTokens {
  /** Latest identity token of each credential whose token the server has replaced. */
  readonly #latest = new Map<string, string>();
  readonly #turn = new Semaphore(1);

  /** Exchanges the latest identity token of a credential, after the exchanges before. */
  async exchange(
    identityToken: string,
    send: (latest: string) => Promise<Token | TokenRefusal>,
  ): Promise<Token | TokenRefusal> {
    return await this.#turn.run(async () => {
      const token = await send(this.#latest.get(identityToken) ?? identityToken);
      const next = "refusal" in token ? undefined : token.identityToken;
      if (next !== undefined) this.#latest.set(identityToken, next);
      return token;
    });
  }
}
