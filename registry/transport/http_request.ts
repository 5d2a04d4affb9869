import type { ClientCertificate, HostCertificates } from "../credentials.ts";
import type { RequestTask } from "../errors.ts";
import type { UploadSource } from "../http1/upload_source.ts";
import type { Proxy } from "./_proxy.ts";
import type { Watchdog } from "./_watchdog.ts";

/** HTTP methods of the distribution specification and of token servers. */
export type HttpMethod = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";

/** Body of a request. */
export type RequestBody = Uint8Array<ArrayBuffer> | UploadSource;

/** One request. */
export interface HttpRequest {
  readonly url: URL;
  readonly method: HttpMethod;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: RequestBody | undefined;
  /** Certificates in addition to those for the host. */
  readonly tls: Tls;
  /** Host that names this server as its token server; its certificates apply as well. */
  readonly namedBy?: string | undefined;
  readonly task: RequestTask;
  readonly attempt: number;
  /** Maximum time to connect directly, in milliseconds (default: that of the system). */
  readonly dialTimeoutMs?: number | undefined;
  /**
   * Name of the server in errors, such as `the token server auth.example`.
   *
   * By default, the host of the URL.
   */
  readonly server?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Parts of a request, except the address. */
export interface RequestParts {
  readonly method: string;
  readonly headers: Headers;
  readonly body: RequestBody | null;
  readonly signal: AbortSignal;
  readonly watchdog: Watchdog;
}

/** Trusted certificates, and the client certificate. */
export interface Tls {
  /** Additional trusted certificates, in PEM. */
  readonly caCerts: readonly string[];
  readonly clientCertificate?: ClientCertificate | undefined;
  /** Reads the certificates that a file names for the server; called for each request. */
  readonly ofFile?: (() => Promise<HostCertificates>) | undefined;
  /** Places that could not be searched for certificates, with the reasons. */
  readonly skipped?: readonly string[] | undefined;
  /** Host, with its port, whose certificate is not verified. */
  readonly unverified?: string | undefined;
}

/** Route to a server. */
export interface Route {
  /** Proxy; absent for a direct connection. */
  readonly proxy?: Proxy | undefined;
  /** Only address to connect to, if other addresses of the name are unsafe. */
  readonly address?: string | undefined;
}
