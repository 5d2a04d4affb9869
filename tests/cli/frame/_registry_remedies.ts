import {
  AuthError,
  BlockedRegistryError,
  CredentialFileError,
  LoginError,
  NetworkError,
  NotFoundError,
  RateLimitError,
  RegistriesConfError,
  RegistryError,
} from "../../../registry/mod.ts";
import { explained, type RemedyRow } from "./_remedy_row.ts";

const TASK = { action: 'pull "a.io/b:1"', subject: "a.io/b:1" };
const ANSWER = { ...TASK, registry: "a.io", status: 418, url: "https://a.io/v2/" };

/** The errors of `registry/` and their remedies. */
export const REGISTRY_REMEDIES: readonly RemedyRow[] = [
  {
    error: new RegistryError("a.io answered 418", ANSWER),
    line: "a.io answered 418. Show each request with --debug",
  },
  {
    error: new RegistryError("a.io answered 503", { ...ANSWER, status: 503, retryable: true }),
    line: "a.io answered 503. Try again later",
  },
  {
    error: new RegistryError("it redirects", { ...ANSWER, option: "allowPrivateAddresses" }),
    line: "it redirects. If you trust the registry, add --allow-private-addresses",
  },
  {
    error: new AuthError("a.io answered 401", ANSWER),
    line: 'a.io answered 401. Log in with "oci login a.io"',
  },
  {
    error: new AuthError("a.io answered 403", { ...ANSWER, isAuthenticated: true }),
    line: 'a.io answered 403. Ask its owner for access, or log in again with "oci login a.io"',
  },
  {
    error: new AuthError("a.io answered 401", { ...ANSWER, option: "auth" }),
    line: 'a.io answered 401. Check the password or token, or log in again with "oci login a.io"',
  },
  {
    error: new LoginError("a.io answered 401", ANSWER),
    line: "a.io answered 401. Check the user name and the password or token",
  },
  {
    error: new NotFoundError("a.io does not have it", { ...ANSWER, missing: "tag" }),
    line: "a.io does not have it. Check the name and the tag; if the repository is private, " +
      'log in with "oci login a.io"',
  },
  {
    error: new NotFoundError("a.io does not have it", {
      ...ANSWER,
      missing: "tag",
      isAuthenticated: true,
    }),
    line: "a.io does not have it. Check the name and the tag, and whether this user has access",
  },
  {
    error: new NotFoundError("a.io does not have it", { ...ANSWER, missing: "repository" }),
    command: "ls",
    line: "a.io does not have it. Check the name; if the repository is private, log in with " +
      '"oci login a.io"',
  },
  {
    error: new NotFoundError("a.io does not have it", {
      ...ANSWER,
      missing: "repository",
      isAuthenticated: true,
    }),
    command: "copy",
    line: "a.io does not have it. Check the name, and whether this user has access",
  },
  {
    error: new NotFoundError("a.io does not have it", { ...ANSWER, registryCode: "NAME_UNKNOWN" }),
    command: "push",
    line: "a.io does not have it. Create the repository first, or check its name",
  },
  {
    error: new NotFoundError("a.io does not have it", ANSWER),
    command: "catalog",
    line: "a.io does not have it. Many registries do not list their repositories; if this one " +
      'does, log in with "oci login a.io"',
  },
  {
    error: new AuthError("a.io answered 403", { ...ANSWER, isAuthenticated: true }),
    command: "catalog",
    line: "a.io answered 403. Many registries do not list their repositories; if this one does, " +
      "ask its owner for access",
  },
  {
    error: new NotFoundError("a.io does not have it", { ...ANSWER, missing: "tag" }),
    command: "ls",
    line: 'a.io does not have it. Check the name, or list the tags with "oci tags"',
  },
  {
    error: new NotFoundError("a.io does not have it", { ...ANSWER, missing: "blob" }),
    line: "a.io does not have it. Ask the owner of the image to push it again",
  },
  {
    error: new RateLimitError("a.io answered 429", { ...ANSWER, retryAfterMs: 1500 }),
    line: "a.io answered 429. Try again in 2 s, or log in for a higher limit with " +
      '"oci login a.io"',
  },
  {
    error: new RateLimitError("a.io answered 429", { ...ANSWER, isAuthenticated: true }),
    line: "a.io answered 429. Try again later",
  },
  {
    error: new RegistryError("it cannot delete tags", { ...ANSWER, code: "tag-deletion" }),
    line: "it cannot delete tags. " +
      'To delete the manifest with all of its tags, use "oci delete NAME@DIGEST"',
  },
  {
    error: new NetworkError("connection refused", {
      ...TASK,
      url: "https://a.io",
      reason: "refused",
      advice: "Check the host and the port",
    }),
    line: "connection refused. Check the host and the port",
  },
  {
    error: new NetworkError("it is cut", { ...TASK, url: "https://a.io", reason: "cut" }),
    line: "it is cut. Try again to resume",
  },
  {
    error: new NetworkError("no TLS", { ...TASK, url: "https://a.io", reason: "protocol" }),
    line: "no TLS. If it is meant to be plain HTTP, use --plain-http",
  },
  {
    error: new NetworkError("no HTTP", { ...TASK, url: "http://a.io", reason: "protocol" }),
    line: "no HTTP. Leave out --plain-http",
  },
  {
    error: new NetworkError("no trust", {
      ...TASK,
      url: "https://a.io",
      reason: "certificate",
      certificate: "own-authority",
    }),
    line: "no trust. Trust it with --ca",
  },
  {
    error: new CredentialFileError("/auth.json", "it is not JSON"),
    line: 'cannot change the credential file "/auth.json": it is not JSON. ' +
      "Fix the file, or use another file with --authfile",
  },
  explained("credential-place", "Set one of them, or choose a file with --authfile"),
  {
    error: new RegistriesConfError("/r.conf", 3, '"a" is defined twice'),
    line: 'cannot use "/r.conf": line 3: "a" is defined twice. ' +
      "Correct the file; containers-registries.conf(5) describes its format",
  },
  {
    error: new BlockedRegistryError("a.io/b:1", "a.io", "/r.conf"),
    line: 'cannot access "a.io/b:1": /r.conf blocks a.io. ' +
      "Use another registry, or ask the maintainer of the file",
  },
  explained(
    "credential-helper",
    "Fix the helper, or choose another credential file with --authfile",
  ),
];
