import { present } from "../../spec/json.ts";
import { Authorizer } from "../auth/authorizer.ts";
import { LoginError, RegistryError } from "../errors.ts";
import type { ImagePullAuth } from "../image_client.ts";
import type { Answer } from "../transport/answer.ts";
import { firstAnswer } from "../transport/first_answer.ts";
import { redactUrl } from "../transport/redact.ts";
import { describeAnswer, registryError } from "../transport/registry_error.ts";
import { Retry } from "../transport/retry.ts";
import { protocolError } from "../transport/network_failure.ts";
import { speaksTls } from "../transport/speaks_tls.ts";
import { mediaTypeOf } from "../transport/web_page.ts";
import type { Connections } from "./_connections.ts";
import { basesToTry } from "./_endpoint.ts";

export interface CheckCredentialOptions {
  readonly caCerts?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * Checks a credential against a registry: requests `/v2/` and answers its challenge.
 *
 * @returns Whether the registry required a credential.
 * @throws {LoginError} If the registry rejects the credential.
 */
export async function checkCredential(
  connections: Connections,
  registry: string,
  auth: ImagePullAuth,
  options: CheckCredentialOptions = {},
): Promise<boolean> {
  const retry = new Retry(connections.policy, options);
  for (;;) {
    try {
      return await check(connections, registry, auth, options, retry.attempt);
    } catch (error) {
      await retry.after(error);
    }
  }
}

async function check(
  connections: Connections,
  registry: string,
  auth: ImagePullAuth,
  { caCerts, signal }: CheckCredentialOptions,
  attempt: number,
): Promise<boolean> {
  const { http, clock } = connections;
  const { endpoint, tls } = connections.home(registry, caCerts);
  const task = { action: `log in to "${registry}"`, subject: registry };
  let isChallenged = false;
  let isKnown = false;
  let refusal: string | undefined;
  const send = async (base: URL) => {
    const authorizer = new Authorizer({
      http,
      clock,
      tls,
      registry,
      url: base,
      isPlain: base.protocol === "http:",
      allowPrivate: endpoint.isPrivate,
      allowAnonymous: false,
      find: () => Promise.resolve({ auth, source: "the login" }),
    });
    const request = { repository: "", scope: "", task, attempt, signal };
    const answer = await authorizer.authorize(request, async (header) => {
      const headers = { ...endpoint.host?.headers, ...present({ authorization: header }) };
      const url = new URL(`${endpoint.root}/`, base);
      const answer = await http.send({ url, method: "GET", headers, tls, task, attempt, signal });
      isChallenged ||= answer.status === 401;
      // A TLS server answers 400 to plain HTTP.
      isKnown ||= answer.status !== 400 || base.protocol === "https:";
      return answer;
    });
    refusal = authorizer.refusal(request.scope);
    return answer;
  };
  const testTls = (base: URL) => speaksTls(base, { timeoutMs: http.stallTimeoutMs, signal });
  using answer = await firstAnswer(await basesToTry(endpoint, testTls), {
    send,
    isKnown: () => isKnown,
    speaksTls: testTls,
    requiresTls: (url) => protocolError({ url, task, attempt: 1 }),
  });
  if (isSite(answer)) {
    const { status, url } = answer;
    throw new RegistryError("the host is not a registry (it answered /v2/ with a web page)", {
      ...task,
      status,
      url: redactUrl(url),
      advice: "Check the name of the host",
    });
  }
  if (answer.status !== 200) {
    const error = await registryError(answer, {
      task,
      registry,
      attempt,
      authentication: "",
      now: clock.now(),
    });
    throw failure(error, refusal);
  }
  return isChallenged;
}

/**
 * Returns whether a server answers with a web page, and does not name the API. registry.k8s.io sends
 * an empty page.
 */
function isSite(answer: Answer): boolean {
  const { status, headers } = answer;
  return status === 200 && mediaTypeOf(answer) === "text/html" &&
    headers.get("content-length") !== "0" && !headers.has("docker-distribution-api-version");
}

/**
 * Returns the error of a login.
 *
 * @param refusal Response of the token server, if it rejected the credential.
 */
function failure(error: RegistryError, refusal: string | undefined): RegistryError {
  const answered = describeAnswer(error);
  if (error.status === 401 || error.status === 403) {
    const who = refusal === undefined ? "the registry" : "the token server of the registry";
    return new LoginError(`${who} rejected the credential (${refusal ?? answered})`, {
      ...error,
      advice: "Check the user name and the password or token",
    });
  }
  if (error.retryable) return error;
  return new RegistryError(`the host is not a registry (${answered} for /v2/)`, {
    ...error,
    code: "response",
    advice: "Check the name of the host",
  });
}
