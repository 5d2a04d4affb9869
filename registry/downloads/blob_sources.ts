import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { ApiRequest, Registry } from "../endpoints/registry.ts";
import type { Sources } from "../endpoints/sources.ts";
import type { Http } from "../transport/http.ts";
import { followRedirects } from "../transport/redirect.ts";
import type { RetryPolicy } from "../transport/retry.ts";
import type { BlobState, RemoteBlobSource } from "./blob_stream.ts";

const ACCEPTED = [206, 416];

/** Context for the sources of a blob. */
export interface BlobContext extends Pick<ApiRequest, "repository" | "task" | "onWarning"> {
  /** State shared by reads of the same blob, by registry or mirror. */
  readonly states: Map<Registry, BlobState>;
}

/** HTTP client for foreign servers. */
export interface ForeignOptions {
  readonly http: Http;
  readonly policy: RetryPolicy;
  readonly caCerts: readonly string[];
}

/** A blob in a registry or a mirror. */
export function registryBlob(
  registry: Registry,
  sources: Sources,
  descriptor: Descriptor,
  context: BlobContext,
): RemoteBlobSource {
  const state = context.states.getOrInsertComputed(registry, () => ({}));
  return {
    policy: registry.policy,
    state,
    open: async (headers, attempt, signal) => {
      const early = state.early?.take(headers, signal);
      state.early = undefined;
      if (early !== undefined) return await early;
      return await registry.sendOnce({
        ...context,
        method: "GET",
        path: `blobs/${descriptor.digest}`,
        content: { kind: "blob", name: `the blob ${descriptor.digest}` },
        headers,
        accept: ACCEPTED,
        redirectCache: state,
        signal,
      }, attempt);
    },
    failed: (error) => sources.failed(registry, error, context.onWarning),
  };
}

/**
 * A blob at one of the `urls` of its descriptor, used for non-distributable layers. The URLs are
 * untrusted, so only public HTTPS servers are contacted, without credentials.
 */
export function foreignBlob(
  { http, policy, caCerts }: ForeignOptions,
  url: URL,
  { task }: BlobContext,
): RemoteBlobSource {
  return {
    policy,
    state: {},
    open: async (headers, attempt, signal) => {
      const send = (url: URL) => {
        return http.send({ url, method: "GET", headers, tls: { caCerts }, task, attempt, signal });
      };
      const response = await followRedirects(await send(url), "never", send);
      if (response.status === 200 || ACCEPTED.includes(response.status)) return response;
      using refusal = response;
      const authentication = "sent no credential to it";
      const { registryError } = await import("../transport/registry_error.ts");
      throw await registryError(refusal, { registry: url.host, authentication });
    },
    failed: () => {},
  };
}
