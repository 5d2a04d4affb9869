import { plain } from "./faults.ts";
import { type Fault, kindOf } from "./faulty_registry.ts";
import type { RawResponse } from "./raw_server.ts";

/** Names and passwords. */
export type Users = Readonly<Record<string, string>>;

/** Requires a name and a password with each request. */
export function basicAuth(
  users: Users,
  challenges: readonly string[] = ['Basic realm="test"'],
): Fault {
  return async (request, next) =>
    userOf(request, users) === undefined ? unauthorized(challenges) : await next();
}

/** 401 with challenges, each in a separate header line. */
export function unauthorized(challenges: readonly string[], status = 401): RawResponse {
  const body = JSON.stringify({ errors: [{ code: "UNAUTHORIZED", message: "log in" }] });
  return {
    ...plain(status, { "content-type": "application/json" }, body),
    lines: challenges.map((challenge) => ["www-authenticate", challenge] as const),
  };
}

function userOf(request: Request, users: Users): string | undefined {
  const encoded = /^basic (.+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
  if (encoded === undefined) return undefined;
  const [name = "", ...password] = atob(encoded).split(":");
  return Object.hasOwn(users, name) && users[name] === password.join(":") ? name : undefined;
}

export interface TokenAuthOptions {
  /** Users who get a token with a name and a password. */
  readonly users?: Users;
  /** Refresh tokens that are exchanged by POST (OAuth2). */
  readonly identityTokens?: readonly string[];
  /** Whether each exchange of a refresh token invalidates it and issues another one. */
  readonly replaceTokens?: boolean;
  /**
   * Whether tokens are issued without credentials.
   *
   * @default {true}
   */
  readonly anonymous?: boolean;
  /** Token server (default: the server itself). */
  readonly realm?: () => string;
  /** @default {"registry.test"} */
  readonly service?: string;
  /** Number of requests for which a token is valid. */
  readonly uses?: number;
  /** `expires_in` of the answer. */
  readonly expiresIn?: number;
  /** Member of the response that contains the token. */
  readonly member?: "token" | "access_token" | "both";
  /** Scopes for which the token server answers 403, even if the request has others as well. */
  readonly unknownScopes?: RegExp;
  /** Scopes for which tokens are issued that the registry then refuses with 403. */
  readonly denied?: RegExp;
  /** Tokens that are valid without an exchange. */
  readonly registryTokens?: readonly string[];
  /** Changes the header lines of the challenge. */
  readonly challenges?: (challenge: string) => readonly string[];
}

/** An exchange of the token server. */
export interface TokenExchange {
  readonly method: string;
  readonly scopes: readonly string[];
  readonly service: string | null;
  readonly account: string | null;
  /** Name of the user; `""` if there is none. */
  readonly user: string;
  readonly status: number;
  /** Members of the form of a POST. */
  readonly form: Readonly<Record<string, string>>;
}

/** Bearer authentication: the fault for all requests, and the requests that it saw. */
export interface TokenAuth {
  /** Checks registry requests, and answers `/token`. */
  readonly fault: Fault;
  readonly exchanges: readonly TokenExchange[];
  /** Expires every token so far. */
  expire(): void;
}

/** Makes a registry require tokens from a token server. */
export function tokenAuth(options: TokenAuthOptions = {}): TokenAuth {
  const { users = {}, anonymous = true, service = "registry.test", replaceTokens } = options;
  const { uses = Infinity, expiresIn, member = "token", denied, registryTokens = [] } = options;
  const { unknownScopes } = options;
  const { challenges = (usual) => [usual] } = options;
  const identityTokens = new Set(options.identityTokens);
  const tokens = new Map<string, { scopes: readonly string[]; left: number }>();
  const exchanges: TokenExchange[] = [];
  let count = 0;

  const exchange = async (request: Request): Promise<RawResponse> => {
    const url = new URL(request.url);
    const post = request.method === "POST";
    const form = new URLSearchParams(post ? await request.text() : "");
    const query = post ? form : url.searchParams;
    const scopes = query.getAll("scope").flatMap((scope) => scope.split(" ")).filter(Boolean);
    const user = post ? postUser(form) : userOf(request, users);
    const refused = user === undefined && (post || request.headers.has("authorization"));
    const isUnknown = scopes.some((scope) => unknownScopes?.test(scope));
    const status = refused || user === undefined && !anonymous ? 401 : isUnknown ? 403 : 200;
    exchanges.push({
      method: request.method,
      scopes,
      service: query.get("service"),
      account: query.get("account"),
      user: user ?? "",
      status,
      form: Object.fromEntries(form),
    });
    if (status === 401) return plain(401, {}, '{"details":"incorrect username or password"}');
    if (status === 403) return plain(403, {}, '{"errors":[{"code":"DENIED","message":"no such"}]}');
    const token = `token-${++count}`;
    tokens.set(token, { scopes, left: uses });
    const used = form.get("refresh_token") ?? "";
    if (replaceTokens && identityTokens.delete(used)) identityTokens.add(`${used}+`);
    const answer = {
      "refresh_token": replaceTokens && post ? `${used}+` : undefined,
      token: member === "access_token" ? undefined : token,
      "access_token": member === "token" ? undefined : token,
      "expires_in": expiresIn,
    };
    return plain(200, { "content-type": "application/json" }, JSON.stringify(answer));
  };

  const postUser = (form: URLSearchParams): string | undefined => {
    if (form.get("grant_type") === "refresh_token") {
      return identityTokens.has(form.get("refresh_token") ?? "") ? "<token>" : undefined;
    }
    const name = form.get("username") ?? "";
    return Object.hasOwn(users, name) && users[name] === form.get("password") ? name : undefined;
  };

  const fault: Fault = async (request, next) => {
    if (kindOf(request) === "token") return await exchange(request);
    const scope = scopeOf(request);
    const token = /^bearer (.+)$/i.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
    if (registryTokens.includes(token)) return await next();
    const found = tokens.get(token);
    if (found !== undefined && found.left > 0 && covers(found.scopes, scope)) {
      found.left--;
      if (denied?.test(scope)) {
        const body = '{"errors":[{"code":"DENIED","message":"requested access is denied"}]}';
        return plain(403, { "content-type": "application/json" }, body);
      }
      return await next();
    }
    const realm = options.realm?.() ?? `${new URL(request.url).origin}/token`;
    const parts = [`realm="${realm}"`, `service="${service}"`];
    if (scope !== "") parts.push(`scope="${scope}"`);
    return unauthorized(challenges(`Bearer ${parts.join(",")}`));
  };
  return { fault, exchanges, expire: () => tokens.clear() };
}

/** Whether a token permits a pull; it may permit more. */
function covers(scopes: readonly string[], scope: string): boolean {
  return scope === "" || scopes.some((item) => item === scope || item.startsWith(`${scope},`));
}

function scopeOf(request: Request): string {
  const name = /^\/v2\/(.+)\/(?:manifests|blobs|tags|referrers)\/[^/]+$/
    .exec(new URL(request.url).pathname)?.[1];
  return name === undefined ? "" : `repository:${name}:pull`;
}
