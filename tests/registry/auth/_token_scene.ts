import type { Credential, CredentialStore, ImagePullAuth } from "../../../registry/mod.ts";
import {
  on,
  type TokenAuth,
  tokenAuth,
  type TokenAuthOptions,
} from "../../_support/faulty_registry.ts";
import { makeScene, type Scene } from "../_client.ts";

/** The credential of the user in {@linkcode USERS}. */
export const LOGIN: { readonly username: string; readonly password: string } = {
  username: "me",
  password: "s3cret",
};

export const USERS: { readonly me: string } = { me: "s3cret" };

/** A store with one credential, which counts the lookups. */
export class OneCredential implements CredentialStore {
  asked = 0;
  readonly #credential: Credential | undefined;

  constructor(auth?: ImagePullAuth) {
    this.#credential = auth && { auth, source: "/home/me/.docker/config.json" };
  }

  find(): Promise<Credential | undefined> {
    this.asked++;
    return Promise.resolve(this.#credential);
  }
}

/** A registry behind a token server. */
export interface TokenScene extends Scene {
  readonly auth: TokenAuth;
}

/** Starts a registry behind a token server. */
export function tokenScene(options: TokenAuthOptions = {}): TokenScene {
  const auth = tokenAuth({ users: USERS, ...options });
  return { ...makeScene([on({}, auth.fault)]), auth };
}
