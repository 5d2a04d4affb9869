import type { LoginAttempts } from "../auth/login_attempts.ts";
import type { Registries } from "../endpoints/registries.ts";
import type { ApiRequest } from "../endpoints/registry.ts";
import { LoginError, RegistryError } from "../errors.ts";
import type { ImagePullAuth } from "../image_client.ts";
import type { RemoteOptions } from "../remote_client_options.ts";
import type { HttpResponse } from "../transport/http_response.ts";
import { describeResponse, registryError } from "../transport/registry_error.ts";

/** A login requests no access to any repository. */
const SCOPE = "";

const CHECK_HOST = "Check the name of the host";

/** Statuses of final responses. Each of them says something about the host. */
const ANY_STATUS = Array.from({ length: 400 }, (_, i) => 200 + i);

/**
 * Checks a credential against a registry: requests `/v2/` and answers its challenge.
 *
 * @returns Whether the registry required a credential.
 * @throws {LoginError} If the registry rejects the credential.
 */
export async function checkCredential(
  registries: Registries,
  registry: string,
  auth: ImagePullAuth,
  { caCerts, signal, onWarning }: Omit<RemoteOptions, "auth">,
): Promise<boolean> {
  const server = registries.loginTarget(registry, { auth, caCerts });
  const request: ApiRequest = {
    method: "GET",
    repository: "",
    path: "",
    scope: SCOPE,
    accept: ANY_STATUS,
    task: { action: `log in to "${registry}"`, subject: registry },
    signal,
    onWarning,
  };
  await server.call(request, async (response) => {
    const { status, url } = response;
    if (isSite(response)) {
      const problem = "the host is not a registry (it answered /v2/ with a web page)";
      throw response.error(problem, { advice: CHECK_HOST });
    }
    // A registry that also allows anonymous access need not reject the credential itself.
    if (status === 200 && server.attempts(SCOPE).refusal === undefined) return;
    const target = server.targetOf(request, response);
    const error = await registryError(response, { registry, authentication: "", target });
    const elsewhere = target === "other-server" ? url.host : undefined;
    throw failure(error, server.attempts(SCOPE), elsewhere);
  });
  return server.attempts(SCOPE).isAuthenticated;
}

/**
 * Returns whether a server answers with a web page and no header of the API. The page of
 * registry.k8s.io is empty.
 */
function isSite(response: HttpResponse): boolean {
  const { status, headers } = response;
  return status === 200 && response.mediaType === "text/html" &&
    headers.get("content-length") !== "0" && !headers.has("docker-distribution-api-version");
}

/**
 * Returns the error of a login.
 *
 * @param attempts How the credential was used.
 * @param elsewhere Host to which the registry redirected the request, without the credential.
 */
function failure(
  error: RegistryError,
  { isTried, unsent, refusal }: LoginAttempts,
  elsewhere: string | undefined,
): RegistryError {
  const answered = describeResponse(error);
  const unknown = (problem: string, advice: string) => {
    // Unlike the signed URL of a blob, a target that denies access has not expired.
    const fields = { ...error, code: "response", retryable: false, advice } as const;
    return new RegistryError(problem, fields);
  };
  if (error.status === 401 || error.status === 403 || refusal !== undefined) {
    if (elsewhere !== undefined) {
      // The target may be hostile, so do not suggest logging in there.
      const problem = `it redirects to ${elsewhere}, which answered ${answered}`;
      return unknown(problem, CHECK_HOST);
    }
    if (!isTried) {
      const problem = `the registry answered ${answered}, but the credential was not sent, because`;
      return unknown(
        `${problem} ${unsent ?? "the registry did not ask for one"}`,
        "Check the name of the host, or ask its operator how to log in",
      );
    }
    const who = refusal === undefined ? "the registry" : "the token server of the registry";
    return new LoginError(`${who} rejected the credential (${refusal ?? answered})`, {
      ...error,
      status: 401,
      advice: "Check the user name and the password or token",
    });
  }
  if (error.retryable) return error;
  return unknown(`the host is not a registry (${answered} for /v2/)`, CHECK_HOST);
}
