import { quote } from "../../spec/json.ts";
import type { HttpResponse } from "../transport/http_response.ts";
import { withoutRepositoryScopes } from "./scope.ts";

/** One authentication challenge, RFC 9110 section 11.3. */
export interface Challenge {
  /** The scheme in lower case, such as `bearer`. */
  readonly scheme: string;
  /** Parameters, their names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

const MAX_LENGTH = 16 * 1024;
const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const SEPARATOR_REGEXP = /[\s,]*/y;
const PARAMETER_REGEXP = new RegExp(
  `(${TOKEN})\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|([^\\s",=][^\\s",]*))`,
  "ys",
);
const SCHEME_REGEXP = new RegExp(`(${TOKEN})(?=[\\s,]|$)`, "y");
const JUNK_REGEXP = /[^,]+/y;

/**
 * Parses `WWW-Authenticate`. `Headers` joins several headers with commas, which also separate
 * several challenges in one header: a token without a following `=` starts the next challenge.
 * Skips invalid parts, because a later challenge may be valid.
 */
export function parseChallenges(header: string | null): readonly Challenge[] {
  const text = (header ?? "").slice(0, MAX_LENGTH);
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  let at = 0;
  const match = (regexp: RegExp): RegExpExecArray | null => {
    regexp.lastIndex = at;
    const found = regexp.exec(text);
    if (found !== null) at = regexp.lastIndex;
    return found;
  };
  while (match(SEPARATOR_REGEXP) !== null && at < text.length) {
    const parameter = match(PARAMETER_REGEXP);
    if (parameter !== null) {
      const [, name = "", quoted, bare = ""] = parameter;
      challenges.at(-1)?.parameters.set(
        name.toLowerCase(),
        quoted?.replace(/\\(.)/gs, "$1") ?? bare,
      );
      continue;
    }
    const scheme = match(SCHEME_REGEXP)?.[1];
    if (scheme !== undefined) {
      challenges.push({ scheme: scheme.toLowerCase(), parameters: new Map() });
    } else if (match(JUNK_REGEXP) === null) {
      at++;
    }
  }
  return challenges;
}

/** Returns whether a token is valid but lacks a scope (RFC 6750, section 3.1). */
export function wantsMoreScope({ status, headers }: HttpResponse): boolean {
  if (status !== 401 && status !== 403) return false;
  return parseChallenges(headers.get("www-authenticate")).some(({ parameters }) => {
    return parameters.get("error") === "insufficient_scope";
  });
}

/** Selects a challenge of a response; prefers `Bearer` with a valid realm. */
export function chooseChallenge(response: HttpResponse): Challenge | undefined {
  const challenges = parseChallenges(response.headers.get("www-authenticate"));
  const bearer = challenges.filter(({ scheme }) => scheme === "bearer");
  const base = response.url;
  const hasRealm = ({ parameters }: Challenge) => {
    const realm = parameters.get("realm") ?? "";
    return URL.canParse(realm, realm.startsWith("/") ? base : undefined);
  };
  return bearer.find(hasRealm) ??
    challenges.find(({ scheme }) => scheme === "basic") ?? bearer[0];
}

/** Says why none of the challenges of a response can be answered. */
export function describeUnanswerable({ headers }: HttpResponse): string {
  const schemes = parseChallenges(headers.get("www-authenticate")).map(({ scheme }) => scheme);
  return schemes.length === 0
    ? "the registry does not say how to log in"
    : `the registry requires an unsupported login: ${quote(schemes.join(", "), 80)}`;
}

/** Returns a challenge without the scopes of repositories, for requests to other repositories. */
export function withoutRepositories({ scheme, parameters }: Challenge): Challenge {
  const scope = withoutRepositoryScopes(parameters.get("scope") ?? "");
  return { scheme, parameters: new Map([...parameters, ["scope", scope]]) };
}
