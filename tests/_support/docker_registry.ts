import { join } from "@std/path";
import { TextLineStream } from "@std/streams";
import { type Certificates, makeCertificates } from "./certificates.ts";
import { programPath, runPeer } from "./peers.ts";
import { kill } from "./process.ts";
import { makeTempDir } from "./temp.ts";

export interface DockerRegistryOptions {
  /** Name and password that it requires, by HTTP Basic. */
  readonly auth?: { readonly username: string; readonly password: string };
  /** Whether it uses HTTPS, with a certificate of a private authority. */
  readonly tls?: boolean;
  /** Whether it requires a client certificate of the same authority; implies `tls`. */
  readonly clientCertificate?: boolean;
}

/** A running `docker-registry` of Debian. Disposing of it ends the process and removes its data. */
export interface DockerRegistry extends AsyncDisposable {
  readonly url: string;
  /** Host and port, for the start of references. */
  readonly host: string;
  /** The certificates, with TLS. */
  readonly certificates: Certificates | undefined;
  /** Directory of its data. */
  readonly storage: string;
}

/** Starts an empty registry on a free port of the loopback. */
export async function dockerRegistry(
  options: DockerRegistryOptions = {},
): Promise<DockerRegistry> {
  const { auth, clientCertificate = false, tls = clientCertificate } = options;
  await using resources = new AsyncDisposableStack();
  const dir = resources.use(await makeTempDir({ large: true }));
  const certificates = tls ? await makeCertificates(dir.path) : undefined;
  const storage = dir.join("data");
  await Deno.mkdir(storage);
  if (auth !== undefined) {
    const { stdout } = await runPeer("htpasswd", ["-Bbn", auth.username, auth.password]);
    await Deno.writeTextFile(dir.join("htpasswd"), stdout);
  }
  // JSON is YAML.
  const config = {
    version: "0.1",
    log: { level: "info", accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: storage }, delete: { enabled: true } },
    http: {
      addr: "127.0.0.1:0",
      secret: "test",
      ...certificates && {
        tls: {
          certificate: certificates.cert,
          key: certificates.key,
          ...clientCertificate ? { clientcas: [certificates.ca] } : {},
        },
      },
    },
    ...auth && { auth: { htpasswd: { realm: "test", path: dir.join("htpasswd") } } },
  };
  await Deno.writeTextFile(dir.join("config.yml"), JSON.stringify(config));
  const process = new Deno.Command(programPath("docker-registry") ?? "docker-registry", {
    args: ["serve", join(dir.path, "config.yml")],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const log = readLog(process.stderr);
  resources.defer(async () => {
    kill(process, "SIGTERM");
    await process.status;
    await log.ended;
  });
  const host = await log.host;
  const owned = resources.move();
  return {
    url: `${tls ? "https" : "http"}://${host}`,
    host,
    certificates,
    storage,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Reads the log to its end, and returns the address that the registry listens on. */
function readLog(
  stderr: ReadableStream<Uint8Array<ArrayBuffer>>,
): { host: Promise<string>; ended: Promise<void> } {
  const { promise: host, resolve, reject } = Promise.withResolvers<string>();
  const seen: string[] = [];
  const ended = (async () => {
    const lines = stderr.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
    for await (const line of lines) {
      seen.push(line);
      const found = /listening on ([\d.]+:\d+)/.exec(line)?.[1];
      if (found !== undefined) resolve(found);
    }
    reject(new Error(`Cannot start docker-registry:\n${seen.join("\n")}`));
  })();
  return { host, ended };
}
